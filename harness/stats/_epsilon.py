"""Lower bound of epsilon, valid after the search for the best threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv
from scipy.stats import binom

from harness.errors import InputError
from harness.stats._checks import as_delta, as_design_effect, as_level
from harness.stats._roc import Roc, as_roc
from harness.types import Estimate

__all__ = ["epsilon_lower", "rank_cuts"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

# Fewer than 16 guesses, even if all are right, bound epsilon by less than 1.5 after the correction for the search.
FIRST_CUT = 16
# Cuts a factor 2 apart: a cut between two of them would share most of its records with its neighbours, and each
# additional cut loosens the bound of all others.
CUT_RATIO = 2
# With delta > 0, this share of alpha is spent on the records that delta allows to leak.
DELTA_SHARE = 0.1


@dataclass(frozen=True)
class _Guesses:
    """Sets of guesses, each all "member" or all "non-member": right and wrong ones, and the odds without leakage."""

    right: IntArray
    wrong: IntArray
    odds: FloatArray
    trials: IntArray
    design_effect: float

    def bounds(self, alpha: float, delta: float) -> FloatArray:
        """Lower bound of epsilon from each set alone, each with error ``alpha``; -inf without a right guess."""
        right, wrong, trials = (x / self.design_effect for x in (self.right, self.wrong, self.trials))
        allowed = np.zeros(len(right), dtype=np.int64)
        if delta > 0.0:
            # The smallest count that Binomial(trials, delta) exceeds with at most this error.
            allowed = np.asarray(binom.isf(alpha * DELTA_SHARE, np.ceil(trials), delta), dtype=np.int64)
            alpha *= 1.0 - DELTA_SHARE
        right = np.maximum(right - allowed, 0.0)
        bounds = np.full(len(right), -np.inf)
        positive = right > 0.0
        share = betaincinv(right[positive], wrong[positive] + 1.0, alpha)
        with np.errstate(divide="ignore"):
            bounds[positive] = np.log(share) - np.log1p(-share) - np.log(self.odds[positive])
        return bounds


def epsilon_lower(
    scores: Roc | ArrayLike,
    membership: ArrayLike | None = None,
    *,
    threshold: float | None = None,
    calibration: Roc | None = None,
    delta: float = 0.0,
    level: float = 0.95,
    design_effect: float = 1.0,
) -> Estimate:
    """Lower bound of the epsilon of the training, as an (epsilon, delta)-differentially private one.

    With a private training every set of guesses "these are members" obeys ``TPR <= exp(epsilon) FPR + delta``, and so
    does every set of guesses "these are not". Hence among the records above a cut the odds of a right guess are at
    most ``exp(epsilon)`` times the odds m / n of the audit itself, and the number of right guesses is bounded by a
    binomial: one exact test on one count, without a separate interval for each rate
    (the argument of Steinke, Nasr & Jagielski, Privacy auditing with one (1) training run, NeurIPS 2023).

    A bound at the best of all thresholds, computed as if that one had been chosen beforehand, is positive on most
    audits without any leakage. Here the cuts are fixed by rank before any membership is read: the top and
    bottom 16, 32, 64, ... records, up to half of them, and each is tested at ``alpha / number of cuts``. The bound
    therefore holds for the best of them. With a ``threshold`` from elsewhere there are two sets only, those at or
    above it and those below; with ``calibration`` the best cut is chosen on other records and there is one set.

    The records' memberships must be an independent (or a random, exchangeable) draw.

    Args:
        scores: a curve, or scores ``[n]``.
        membership: 1 for members, 0 for non-members, ``[n]``; only beside scores.
        threshold: a cut that was fixed without these records.
        calibration: a curve of other records; the cut with the largest bound there is used here.
        delta: the delta of the guarantee that is tested.
        level: probability that the bound is at most the true epsilon; one-sided.
        design_effect: how many times larger the variance is than that of independent records (Kish, Survey Sampling,
            1965): 2 for scores that were cross-fitted over the audited membership. The bound is as if from
            ``n / design_effect`` records.

    Returns:
        ``value`` and ``low`` are the bound, 0 where the records show no leakage; ``high`` is +inf.

    Raises:
        InputError: the arrays, the level, delta or the design effect are unusable, or both a threshold and a
            calibration are given.
    """
    curve = as_roc(scores, membership)
    alpha, effect = 1.0 - as_level(level), as_design_effect(design_effect)
    delta = as_delta(delta)
    if threshold is not None and calibration is not None:
        raise InputError("threshold: given together with calibration, which chooses one; keep one of them")
    if threshold is not None:
        if math.isnan(threshold):
            raise InputError("threshold: NaN, expected a number or +-inf")
        at = np.array([curve.index_of(threshold)])
        guesses, method = _guesses(curve, at, at, effect), "conditional-binomial, held-out threshold"
    elif calibration is not None:
        guesses = _transfer(calibration, curve, effect, delta=delta, alpha=alpha)
        method = "conditional-binomial, calibrated"
    else:
        guesses, method = _guesses(curve, *_cuts(curve), effect), "conditional-binomial, simultaneous over ranks"
    bound = float(np.max(guesses.bounds(alpha / max(1, len(guesses.right)), delta), initial=0.0))
    return Estimate(bound, bound, math.inf, curve.n, method, level)


def rank_cuts(n: int) -> list[int]:
    """16, 32, ... up to half of ``n`` records: the sizes of the sets of guesses that are tested."""
    sizes = [FIRST_CUT]
    while sizes[-1] * CUT_RATIO <= n // 2:
        sizes.append(sizes[-1] * CUT_RATIO)
    return sizes


def _cuts(curve: Roc) -> tuple[IntArray, IntArray]:
    """Points of the curve whose top (bottom) holds at most 16, 32, ... records; membership is not used."""
    above = curve.tp + curve.fp
    sizes = rank_cuts(curve.n)
    # Tied records cannot be separated: a cut through them moves to the end of the group.
    top = np.searchsorted(above, sizes, side="right") - 1
    bottom = np.searchsorted(above, curve.n - np.array(sizes), side="left")
    return np.unique(top[top > 0]), np.unique(bottom[bottom < len(above) - 1])


def _guesses(curve: Roc, top: IntArray, bottom: IntArray, design_effect: float) -> _Guesses:
    """The records above each of ``top`` guessed members, those below each of ``bottom`` guessed non-members."""
    m, n = curve.n_members, curve.n_nonmembers
    return _Guesses(
        right=np.concatenate((curve.tp[top], n - curve.fp[bottom])),
        wrong=np.concatenate((curve.fp[top], m - curve.tp[bottom])),
        odds=np.concatenate((np.full(len(top), m / n), np.full(len(bottom), n / m))),
        trials=np.concatenate((np.full(len(top), m), np.full(len(bottom), n))),
        design_effect=design_effect,
    )


def _transfer(calibration: Roc, curve: Roc, effect: float, *, delta: float, alpha: float) -> _Guesses:
    """The set of guesses on ``curve`` at the cut that bounds epsilon best on ``calibration``."""
    top, bottom = _cuts(calibration)
    none = np.empty(0, dtype=np.int64)
    if not len(top) + len(bottom):
        return _guesses(curve, none, none, effect)
    best = int(np.argmax(_guesses(calibration, top, bottom, effect).bounds(alpha, delta)))
    chosen = np.concatenate((top, bottom))[best]
    at = np.array([curve.index_of(float(calibration.thresholds[chosen]))])
    return _guesses(curve, at, none, effect) if best < len(top) else _guesses(curve, none, at, effect)
