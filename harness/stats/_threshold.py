"""Balanced accuracy at a threshold fixed elsewhere, and the threshold that maximises it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from harness.errors import InputError
from harness.stats._checks import as_design_effect, as_level
from harness.stats._melded import melded_mean
from harness.stats._roc import Roc, as_roc
from harness.types import Estimate

__all__ = ["balanced_accuracy", "best_threshold"]


def balanced_accuracy(
    scores: Roc | ArrayLike,
    membership: ArrayLike | None,
    threshold: float,
    *,
    level: float = 0.95,
    design_effect: float = 1.0,
) -> Estimate:
    """Mean of the true-positive and the true-negative rate of the rule "member iff score >= threshold".

    The threshold must come from other records (shadows, or the other folds): the interval does not allow for a search.
    The two rates are independent, and so their intervals are melded (:func:`melded_mean`): the result stays inside
    [0, 1] and is valid at rates of 0 and 1 and at the levels of simultaneous intervals.

    Args:
        scores: a curve, or scores ``[n]``.
        membership: 1 for members, 0 for non-members, ``[n]``; only beside scores (None beside a curve).
        threshold: the cut, +-inf allowed.
        level: nominal coverage of the interval.
        design_effect: how many times larger the variance is than that of independent records (Kish, Survey Sampling,
            1965): 2 for scores that were cross-fitted over the audited membership. The interval is as if from
            ``n / design_effect`` records; the value does not change.

    Raises:
        InputError: the arrays, the level or the design effect are unusable, or the threshold is NaN.
    """
    curve = as_roc(scores, membership)
    level, effect = as_level(level), as_design_effect(design_effect)
    if math.isnan(threshold):
        raise InputError("threshold: NaN, expected a number or +-inf")
    at = curve.index_of(threshold)
    tp, tn = int(curve.tp[at]), curve.n_nonmembers - int(curve.fp[at])
    value = (tp / curve.n_members + tn / curve.n_nonmembers) / 2.0
    members, nonmembers = (tp / effect, curve.n_members / effect), (tn / effect, curve.n_nonmembers / effect)
    low, high = melded_mean(members, nonmembers, level=level)
    return Estimate(value, min(low, value), max(high, value), curve.n, "melded-beta", level)


def best_threshold(scores: Roc | ArrayLike, membership: ArrayLike | None = None) -> float:
    """The cut with the largest balanced accuracy, midway between two observed scores.

    A midpoint, not an observed score, so that no record ties with the cut. Among equally good cuts it is the middle
    one. Where calling everybody (nobody) a member is best, the cut is the smallest score (the next number above the
    largest).

    Use it on shadow data or on the other folds only: chosen on the audited records, it overstates the attack.

    Args:
        scores: a curve, or scores ``[n]``.
        membership: 1 for members, 0 for non-members, ``[n]``; only beside scores.

    Raises:
        InputError: the arrays are unusable.
    """
    curve = as_roc(scores, membership)
    # Whole numbers: two cuts that are equally good must compare equal.
    gain = curve.tp * curve.n_nonmembers - curve.fp * curve.n_members
    best = np.flatnonzero(gain == gain.max())
    at = int(best[(len(best) - 1) // 2])
    if at == 0:
        return float(np.nextafter(curve.thresholds[1], np.inf))
    above = float(curve.thresholds[at])
    if at == len(curve) - 1:
        return above
    below = float(curve.thresholds[at + 1])
    middle = above / 2.0 + below / 2.0
    return middle if below < middle <= above else above
