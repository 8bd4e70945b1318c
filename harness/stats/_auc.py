"""Area under the ROC curve with DeLong's variance, in O(n log n)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import InputError
from harness.stats._checks import as_level, as_membership, as_scores
from harness.stats._intervals import two_sided_z
from harness.stats._roc import Roc, as_roc
from harness.types import Estimate

__all__ = ["auc", "auc_difference", "delong", "placements_per_record"]

FloatArray = NDArray[np.float64]


def auc(scores: Roc | ArrayLike, membership: ArrayLike | None = None, *, level: float = 0.95) -> Estimate:
    """Probability that a member outscores a non-member, ties counting half.

    The variance is DeLong's; the interval is symmetric on the logit scale, so that it stays inside [0, 1]
    (Pepe, The Statistical Evaluation of Medical Tests, 2003, section 5.2). Where the variance is zero
    or undefined (perfect separation, all scores tied, a single record on one side) the interval is a bound from
    disjoint pairs, see :func:`pair_bound`: conservative, never of length zero and never NaN.

    DeLong, DeLong & Clarke-Pearson, Comparing the areas under two or more correlated ROC curves, Biometrics 1988;
    in O(n log n) after Sun & Xu, IEEE Signal Processing Letters 2014.

    Args:
        scores: a curve, or scores ``[n]``.
        membership: 1 for members, 0 for non-members, ``[n]``; only beside scores.
        level: nominal coverage of the interval.

    Raises:
        InputError: the arrays or the level are unusable.
    """
    curve = as_roc(scores, membership)
    value, variance = delong(curve)
    pairs = min(curve.n_members, curve.n_nonmembers)
    if variance > 0.0 and 0.0 < value < 1.0:
        half = two_sided_z(level) * math.sqrt(variance) / (value * (1.0 - value))
        logit = math.log(value) - math.log1p(-value)
        return Estimate(value, _expit(logit - half), _expit(logit + half), curve.n, "delong-logit", level)
    constant = value in (0.0, 1.0) or len(curve) == 2  # two points: all scores are tied
    low, high = pair_bound(value, pairs, level=level) if constant else (0.0, 1.0)
    return Estimate(value, low, high, curve.n, "disjoint-pairs", level)


def auc_difference(scores_a: ArrayLike, scores_b: ArrayLike, membership: ArrayLike, *, level: float = 0.95) -> Estimate:
    """AUC of ``scores_a`` minus AUC of ``scores_b`` on the same records, with a paired interval.

    Paired DeLong: the variance of the differences of placement values; the interval is narrower than that of two
    independent AUCs. Where the two rankings never disagree the
    interval is the bound from disjoint pairs.

    Args:
        scores_a: scores of one attack, ``[n]``.
        scores_b: scores of another attack on the same records, ``[n]``.
        membership: 1 for members, 0 for non-members, ``[n]``.
        level: nominal coverage of the interval.

    Raises:
        InputError: the arrays or the level are unusable.
    """
    level = as_level(level)
    a, b = as_scores(scores_a, name="scores_a"), as_scores(scores_b, name="scores_b")
    if len(a) != len(b):
        raise InputError(f"scores_b: {len(b)} entries for {len(a)} of scores_a; both score the same records")
    member = as_membership(membership, len(a), of="scores_a")
    placements = placements_per_record(a, member) - placements_per_record(b, member)
    m, n = int(member.sum()), int((~member).sum())
    difference = float(placements[member].mean())
    if min(m, n) < 2:
        return Estimate(difference, -1.0, 1.0, m + n, "paired-delong", level)
    variance = float(placements[member].var(ddof=1)) / m + float(placements[~member].var(ddof=1)) / n
    if variance <= 0.0:
        # A pair's difference is constant and lies in [-1, 1]; pair_bound takes values in [0, 1].
        low, high = pair_bound((difference + 1.0) / 2.0, min(m, n), level=level)
        return Estimate(difference, 2.0 * low - 1.0, 2.0 * high - 1.0, m + n, "disjoint-pairs", level)
    half = two_sided_z(level) * math.sqrt(variance)
    return Estimate(
        difference, max(-1.0, difference - half), min(1.0, difference + half), m + n, "paired-delong", level
    )


def delong(curve: Roc) -> tuple[float, float]:
    """The AUC and its variance by DeLong; the variance is NaN with a single record on one side.

    The placement value of a member is the share of non-members below it (ties half), and the other way round;
    the variance of a mean of placement values, once for each side, is the variance of the AUC.
    """
    m, n = curve.n_members, curve.n_nonmembers
    members, nonmembers = np.diff(curve.tp), np.diff(curve.fp)
    of_members = (n - curve.fp[1:] + 0.5 * nonmembers) / n
    of_nonmembers = (curve.tp[1:] - 0.5 * members) / m
    # Doubled counts are whole numbers, so that ties and perfect separation give exact halves and ones.
    value = float((members * (2 * (n - curve.fp[1:]) + nonmembers)).sum()) / (2.0 * m * n)
    if min(m, n) < 2:
        return value, math.nan
    # Sums, not dot products: BLAS starts threads for microseconds of work, and waits for them on a busy machine.
    s10 = float((members * (of_members - value) ** 2).sum()) / (m - 1)
    s01 = float((nonmembers * (of_nonmembers - value) ** 2).sum()) / (n - 1)
    return value, s10 / m + s01 / n


def pair_bound(value: float, pairs: int, *, level: float = 0.95) -> tuple[float, float]:
    """Interval of a mean over [0, 1] when every one of ``pairs`` independent draws was exactly ``value``.

    Pairing member i with non-member i gives min(m, n) independent comparisons whose expectation is the AUC. If all
    were ``value``, then by Clopper & Pearson a comparison is ``value`` with probability at least
    ``b = (alpha / 2) ** (1 / pairs)``; the rest of the mass may lie anywhere in [0, 1].
    """
    b = ((1.0 - as_level(level)) / 2.0) ** (1.0 / pairs)
    return value * b, value * b + (1.0 - b)


def placements_per_record(scores: FloatArray, member: NDArray[np.bool_]) -> FloatArray:
    """Placement value of every record among the records of the other side, float64 ``[n]``.

    A member's is the share of non-members below it, a non-member's the share of members above it, ties counting half:
    either side's mean is the AUC.

    Args:
        scores: finite scores, float64 ``[n]``.
        member: whether each record is a member, ``[n]``; both kinds are there.
    """
    placements = np.empty(len(scores))
    for side in (True, False):
        others = np.sort(scores[member != side])
        own = scores[member == side]
        # Sorted queries walk through the other side in order, which is several times faster than random ones.
        order = np.argsort(own)
        below = np.searchsorted(others, own[order], side="left") + np.searchsorted(others, own[order], side="right")
        share = np.empty(len(own))
        share[order] = below / (2.0 * len(others))
        # Non-members are placed from above, so that both sides average to the AUC.
        placements[member == side] = share if side else 1.0 - share
    return placements


def _expit(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))
