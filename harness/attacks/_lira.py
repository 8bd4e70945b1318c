"""LiRA: a record's confidence compared with those of reference models that were not trained on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from harness.attacks._base import BaseAttack
from harness.attacks._references import (
    out_mask,
    population_of,
    reference_logits,
    require_both_sides,
    require_outside,
    require_references,
    usable_shadows,
)
from harness.attacks._registry import register
from harness.attacks._signals import signals_of
from harness.errors import InputError
from harness.types import FloatArray, IntArray, Observations

__all__ = ["Lira", "LiraOnline", "lira_offline", "lira_online", "spread_outside"]

# Degrees of freedom that the variance within all records counts for beside a record's own. On Location-30 (8 targets)
# TPR at 1% FPR is .595 with 64 references, .583 with each record's own variance and .526 with one for all; it is the
# highest of the three with 8 and 16 references, too. The original code changes from one to the other at 64 references.
SHRINKAGE_DEGREES = 8.0
# Spread where no record has two references and nothing else is known; a constant does not change the ranking.
NO_SPREAD = 1.0
MIN_SPREAD = 1e-12
# The references' mean, where no shadow has references of its own to choose a cut on.
DEFAULT_CUT = 0.0

BoolArray = NDArray[np.bool_]


def lira_offline(
    logits: FloatArray,
    references: FloatArray,
    out: BoolArray,
    *,
    per_record: bool | None = None,
    pooled: float | None = None,
) -> FloatArray:
    """Standardised distance of each record above its references that were not trained on it, float64 ``[n]``.

    The paper's score is the normal distribution function of this; that has the same ranking, but rounds to 1.

    Args:
        logits: logit-scaled confidence under the target, ``[n]``.
        references: the same under each reference, ``[R, n]``.
        out: whether a reference was not trained on the record, ``[R, n]``; at least one in each column.
        per_record: True takes each record's own variance and False one for all, both as published. None shrinks a
            record's variance towards the one for all, and adds the variance of its mean, so that records and
            populations with different numbers of references are in the same units.
        pooled: standard deviation within records where no record has two references; None is 1.
    """
    mean, spread = _gaussian(references, out, per_record=per_record, pooled=pooled)
    return (logits - mean) / spread


def lira_online(
    logits: FloatArray,
    references: FloatArray,
    out: BoolArray,
    *,
    inside: BoolArray | None = None,
    per_record: bool | None = None,
) -> FloatArray:
    """Log-likelihood ratio of "trained on" against "not trained on", float64 ``[n]``.

    Args:
        logits: logit-scaled confidence under the target, ``[n]``.
        references: the same under each reference, ``[R, n]``.
        out: whether a reference was not trained on the record, ``[R, n]``; at least one of either kind in each column.
        inside: whether it was, ``[R, n]``; None takes all others.
        per_record: as for ``lira_offline``.
    """
    within = ~out if inside is None else inside
    # A side on which no record has two references is as wide as the other one.
    out_mean, out_spread = _gaussian(references, out, per_record=per_record, pooled=_pooled_spread(references, within))
    in_mean, in_spread = _gaussian(references, within, per_record=per_record, pooled=_pooled_spread(references, out))
    far_in, far_out = (logits - in_mean) / in_spread, (logits - out_mean) / out_spread
    return np.asarray(0.5 * (far_out**2 - far_in**2) + np.log(out_spread) - np.log(in_spread))


def _gaussian(
    references: FloatArray, mask: BoolArray, *, per_record: bool | None, pooled: float | None = None
) -> tuple[FloatArray, FloatArray]:
    """Mean ``[n]`` and standard deviation ``[n]`` of an answer like those of the references in ``mask``."""
    mean, within, count = _moments(references, mask)
    degrees = np.maximum(count - 1, 0)
    if per_record:
        return mean, np.sqrt(np.maximum(within / np.maximum(degrees, 1), MIN_SPREAD**2))
    if not degrees.any() and pooled is None:
        return mean, np.full(len(mean), NO_SPREAD)
    variance = within.sum() / degrees.sum() if degrees.any() else float(pooled or 0.0) ** 2
    if per_record is None:
        shrunk = (SHRINKAGE_DEGREES * variance + within) / (SHRINKAGE_DEGREES + degrees)
        variance = shrunk * (1.0 + 1.0 / np.maximum(count, 1))
    return mean, np.sqrt(np.maximum(np.broadcast_to(variance, mean.shape), MIN_SPREAD**2))


def _moments(references: FloatArray, mask: BoolArray) -> tuple[FloatArray, FloatArray, IntArray]:
    """Mean, sum of squares around it, and number of the references in ``mask``, each ``[n]``."""
    count = mask.sum(axis=0)
    complete = bool(mask.all())
    mean = references.mean(axis=0) if complete else (references * mask).sum(axis=0) / np.maximum(count, 1)
    squares = references - mean
    squares *= squares
    return mean, squares.sum(axis=0) if complete else (squares * mask).sum(axis=0), count


def _pooled_spread(references: FloatArray, mask: BoolArray) -> float | None:
    """Standard deviation within records of the references in ``mask``; None where no record has two."""
    _, within, count = _moments(references, mask)
    degrees = int(np.maximum(count - 1, 0).sum())
    return float(np.sqrt(within.sum() / degrees)) if degrees else None


def spread_outside(logits: FloatArray, references: FloatArray, out: BoolArray) -> float:
    """Standard deviation within records of answers by models that were not trained on them, pooled over records.

    Args:
        logits: logit-scaled confidence under a model that was trained on none of the records, ``[n]``.
        references: the same under each reference, ``[R, n]``.
        out: whether a reference was not trained on the record, ``[R, n]``; at least one in each column.
    """
    answers, outside = np.vstack([references, logits]), np.vstack([out, np.ones(len(logits), dtype=np.bool_)])
    return _pooled_spread(answers, outside) or MIN_SPREAD


@register("lira", family="lira", needs=("confidences", "references"), headline=True)
class Lira(BaseAttack):
    """Offline LiRA: the record's logit-scaled confidence against a Gaussian of references not trained on it.

    The Gaussian's variance is the record's own, shrunk towards that of all records. With one reference it comes from
    the population's answers, else from the shadows' non-members. The cut is chosen on the shadows that have references
    of their own, else it is 0, the references' mean.

    Carlini, Chien, Nasr, Song, Terzis & Tramer, Membership inference attacks from first principles, S&P 2022; variance
    shrunk as by Smyth, Linear models and empirical Bayes methods, 2004.
    """

    online: ClassVar[bool] = False
    _shadow_spread: float | None = None

    def fit(self, shadow: Sequence[Observations]) -> Self:
        """Choose the cut on shadows with references of their own, else take 0."""
        self._require(shadow)
        usable = usable_shadows(shadow, self.variants, with_population=False, online=self.online)
        self.threshold = DEFAULT_CUT
        if not usable:
            self.cut_note = "no shadow has references of its own: the cut is not chosen, it is 0"
            return self
        if len(usable) == 1 and len(shadow) > 1:
            self.cut_note = f"of {len(shadow)} shadows only one has references of its own: the cut rests on that one"
        self._shadow_spread = self._spread_of_nonmembers(usable)
        return super().fit(usable)

    def score(self, target: Observations) -> FloatArray:
        """Standardised distance above the references, ``[n]``; online the log-likelihood ratio.

        Raises:
            InputError: references are missing, or a record has none outside (online: or none inside).
        """
        require_references(target, self.variants)
        logits = signals_of(target, self._variant, self.cache).logit
        references = reference_logits(target, self._variant, self.cache)
        if self.online:
            out, inside = require_both_sides(target)
            return lira_online(logits, references, out, inside=inside)
        out = require_outside(target)
        pooled = None if int(out.sum(axis=0).max()) > 1 else self._pooled(target)
        return lira_offline(logits, references, out, pooled=pooled)

    def _pooled(self, target: Observations) -> float | None:
        """The spread within records where the references alone cannot give it."""
        try:
            z = population_of(target, self.variants)
        except InputError:
            return self._shadow_spread
        logits = signals_of(z, self._variant, self.cache).logit
        return spread_outside(logits, reference_logits(z, self._variant, self.cache), out_mask(z))

    def _spread_of_nonmembers(self, shadows: Sequence[Observations]) -> float:
        """The spread within the records that neither a shadow nor its references were trained on."""
        squares, records = 0.0, 0
        for shadow in shadows:
            rows = np.asarray(shadow.membership) == 0
            logits = signals_of(shadow, self._variant, self.cache).logit[rows]
            references = reference_logits(shadow, self._variant, self.cache)[:, rows]
            squares += len(logits) * spread_outside(logits, references, out_mask(shadow)[:, rows]) ** 2
            records += len(logits)
        return float(np.sqrt(squares / records))


@register("lira-online", family="lira", needs=("confidences", "references"), headline=True)
class LiraOnline(Lira):
    """Online LiRA: the ratio of two Gaussians, of references trained on the record and of the others.

    A record needs one reference inside and one outside. Variances are shrunk as for offline LiRA.

    Carlini, Chien, Nasr, Song, Terzis & Tramer, Membership inference attacks from first principles, S&P 2022.
    """

    online: ClassVar[bool] = True
