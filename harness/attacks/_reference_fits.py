"""Fits by fold on the shadows' records: what every score with references is built from, and how it is judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness import stats
from harness.attacks._base import BaseAttack
from harness.attacks._reference_mix import Mix, fit_mix
from harness.attacks._reference_rows import ReferenceRows, shadow_rows
from harness.errors import UnresolvedError
from harness.types import FloatArray, IntArray, Observations

__all__ = ["FoldFits", "Loss", "over_folds"]

# Members, and non-members, below which a fold's two bands of three coefficients each have nothing to rest on.
MIN_SIDE_ROWS = 20


@dataclass(frozen=True, eq=False)
class Loss:
    """The log-loss of out-of-fold log-odds, nats.

    Args:
        values: row by row, ``[n]``.
        records: a number for each row's record: the shadows answer the same records.
    """

    values: FloatArray
    records: IntArray

    @property
    def mean(self) -> float:
        """Nats a row."""
        return float(self.values.mean())

    def is_below(self, other: Loss, *, errors: float) -> bool:
        """Whether this loss is smaller than the other by ``errors`` standard errors, clustered by record."""
        difference = self.values - other.values
        mean = float(difference.mean())
        sums = np.bincount(self.records, weights=difference - mean)
        return mean < 0 and -mean >= errors * float(np.sqrt((sums**2).sum())) / len(difference)


def over_folds(scores: FloatArray, fold: IntArray) -> FloatArray:
    """Each row's score by fits that did not see its record, float64 ``[n]``.

    Args:
        scores: scores of all rows by each fold's fit, ``[folds, n]``.
        fold: the fold of each row, whose fit did not see it; where it is negative no fit did, and their mean counts.
    """
    own = scores[np.maximum(fold, 0), np.arange(len(fold))]
    return np.where(fold < 0, scores.mean(axis=0), own)


class FoldFits:
    """The shadows' rows and the fits on them; each fold's fit, at every level, is made on the other folds' rows alone.

    Scores are ``[folds, n]``: of all rows, the shadows' or the target's, by each fold's fit. `over_folds` then takes
    for each row the fits that did not see its record.

    Args:
        attack: the attack, for its folds, seed and cache.
        shadows: populations with known membership.

    Raises:
        InputError: no shadow has references of its own.
        UnresolvedError: too few records have a reference that was not trained on them.
    """

    def __init__(self, attack: BaseAttack, shadows: tuple[Observations, ...]) -> None:
        self.rows: ReferenceRows = shadow_rows(attack, shadows)
        self.folds, self.seed = attack.folds, attack.seed
        self.membership = self.rows.membership()
        self.records: IntArray = np.unique(self.rows.records(), return_inverse=True)[1]
        self.train = [np.flatnonzero(self.rows.fold != k) for k in range(self.folds)]
        fewest = min(int((self.membership[t] == side).sum()) for t in self.train for side in (0, 1))
        if fewest < MIN_SIDE_ROWS:
            raise UnresolvedError(
                f"{shadows[0].name}: {len(self.rows)} records of the shadows have a reference that was not trained on "
                f"them; {fewest} of one kind are left to fit attack {attack.name!r} on",
                hint=f"needs at least {MIN_SIDE_ROWS}: give more records, or more shadow models",
            )

    def mixes(self, variant: str) -> list[Mix]:
        """Each fold's fit of one variant."""

        def compute() -> list[Mix]:
            rows = self.rows.variant(variant)
            return [fit_mix(rows.take(t), self.membership[t]) for t in self.train]

        return self.rows.shared(self.key("mixes", variant), compute)

    def mix(self, variant: str, rows: ReferenceRows) -> FloatArray:
        """Log-odds of one variant, ``[folds, n]``."""

        def compute() -> FloatArray:
            return np.stack([mix(rows.variant(variant)) for mix in self.mixes(variant)])

        return rows.shared(self.key("mix", variant), compute)

    def loss(self, scores: FloatArray) -> Loss:
        """The log-loss of the shadows' scores ``[folds, n]``."""
        log_odds = over_folds(scores, self.rows.fold)
        return Loss(np.logaddexp(0.0, np.where(self.membership == 1, -log_odds, log_odds)), self.records)

    def auc(self, scores: FloatArray) -> float:
        """The AUC of the shadows' scores ``[folds, n]``."""
        return stats.auc(stats.roc(over_folds(scores, self.rows.fold), self.membership)).value

    def key(self, *parts: object) -> tuple[object, ...]:
        """A key of what was fitted in these folds."""
        return (self.folds, self.seed, *parts)
