"""Attacks with references on one variant or several: fitted on shadows, step by step, as far as more variants help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from harness.attacks._base import BaseAttack
from harness.attacks._reference_fits import FoldFits
from harness.attacks._reference_rows import target_rows
from harness.attacks._reference_score import SetScore
from harness.types import FloatArray, Observations

__all__ = ["ReferenceAttack"]

# The first variant in view is left for another whose AUC on the shadows is larger by this.
AUC_GAIN = 0.002
# Standard errors by which the log-loss has to fall for one more step.
ERRORS = 1.0


class ReferenceAttack(BaseAttack):
    """Takes the best single variant, then the best pair with it, then all variants in view.

    Each step is taken only where the out-of-fold log-loss on the shadows falls by a standard error, so that whoever
    sees more variants is not worse for it; ``chosen`` says which step stands. That only the original stands is a
    result: the other variants added nothing that these shadows resolve.

    Raises:
        InputError: no shadow has references of its own, or the target has none.
        UnresolvedError: too few of the shadows' records can be used.
    """

    learned: ClassVar[bool] = True
    _fits: FoldFits
    _standing: SetScore

    def fit(self, shadow: Sequence[Observations]) -> Self:
        """Fit on the shadows, choose the step that stands, and the cut on out-of-fold scores."""
        self._require(shadow)
        self._fits = FoldFits(self, tuple(shadow))
        self._standing = self._climb()
        self.chosen = {
            "stands": self._name(self._standing),
            "start": self._standing.start,
            "trees": "half" if self._standing.trees else "none",
        }
        self._settle(self._standing.score(self._fits.rows), self._fits.membership)
        return self

    def score(self, target: Observations) -> FloatArray:
        """Log-odds of membership, ``[n]``.

        Raises:
            InputError: the target has no references, or a record was in every reference's training set.
        """
        return self._standing.score(target_rows(target, self._fits.rows))

    def _climb(self) -> SetScore:
        """The widest step that lowers the log-loss."""
        first = self._best_single()
        others = [v for v in self._in_order() if v != first]
        standing = self._scored((first,))
        if not others:
            return standing
        pair = min((self._scored((first, v)) for v in others), key=lambda one: one.loss.mean)
        if pair.loss.is_below(standing.loss, errors=ERRORS):
            standing = pair
        if len(others) > 1:
            all_in_view = self._scored((first, *others), narrower=pair if standing is pair else None)
            if all_in_view.loss.is_below(standing.loss, errors=ERRORS):
                standing = all_in_view
        return standing

    def _best_single(self) -> str:
        """The original, or the first variant in view; another where its AUC is clearly larger."""
        first, *others = self._in_order()
        aucs = {v: self._fits.auc(self._fits.mix(v, self._fits.rows)) for v in (first, *others)}
        best = max(others, key=lambda v: aucs[v], default=first)
        return best if aucs[best] >= aucs[first] + AUC_GAIN else first

    def _in_order(self) -> list[str]:
        """The variants by name, the original first: the order in which they are given changes nothing."""
        return sorted(self.variants, key=lambda v: (v != self.original, v))

    def _scored(self, variants: tuple[str, ...], *, narrower: SetScore | None = None) -> SetScore:
        """The score of a set, computed once per evaluation."""
        key = self._fits.key("set", variants, None if narrower is None else narrower.variants)
        return self._fits.rows.shared(key, lambda: SetScore(self._fits, variants, narrower))

    def _name(self, standing: SetScore) -> str:
        if len(standing.variants) == 1 < len(self.variants):
            return f"{standing.variants[0]} only"
        return " + ".join(v for v in self._in_order() if v in standing.variants)
