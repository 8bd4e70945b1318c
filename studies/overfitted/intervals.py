"""Means over targets with intervals that hold for other targets and other records of the same kind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.stats import rankdata, t

from harness.stats import roc
from harness.types import Estimate, FloatArray, IntArray

__all__ = ["LEVEL", "Curve", "curve", "mean_auc", "mean_of", "tpr", "within"]

LEVEL = 0.95


class Curve:
    """What one target's scores say, record by record.

    Args:
        scores: larger for members, ``[n]``.
        membership: ``[n]``.
        rows: place of each record in the pool, ``[n]``.
        pool: number of the pool's records.
    """

    def __init__(self, scores: FloatArray, membership: IntArray, rows: IntArray, pool: int) -> None:
        member = membership == 1
        placements = _placements(scores, member)
        self.roc = roc(scores, membership)
        self.auc = float(placements[member].mean())
        # By how much each record moves the AUC; the sum of squares is DeLong's variance.
        self.influence = np.zeros(pool)
        for side in (member, ~member):
            self.influence[rows[side]] = (placements[side] - placements[side].mean()) / side.sum()


def curve(scores: FloatArray, membership: IntArray, rows: IntArray, pool: int) -> Curve:
    """The curve of one target."""
    return Curve(scores, membership, rows, pool)


def tpr(one: Curve, fpr: float) -> float:
    """The largest true-positive rate at a false-positive rate of at most ``fpr``; nothing is interpolated."""
    at = int(np.searchsorted(one.roc.fp, math.floor(fpr * one.roc.n_nonmembers + 1e-9), side="right")) - 1
    return float(one.roc.tp[at]) / one.roc.n_members


def mean_auc(ours: Sequence[Curve], theirs: Sequence[Curve] | None = None, *, level: float = LEVEL) -> Estimate:
    """Mean AUC over targets, or the mean difference of two attacks on the same targets and records.

    The targets share records and references, so the variance has a part of the targets and a part of the records, and
    what both count is taken off once (Cameron, Gelbach & Miller, Robust inference with multiway clustering, 2011).
    The interval has Student's quantile of the number of targets less one.

    Args:
        ours: one curve a target.
        theirs: of the other attack; None for the AUC itself.
        level: nominal coverage.
    """
    values = np.array([one.auc for one in ours])
    influence = np.stack([one.influence for one in ours])
    if theirs is not None:
        values = values - [one.auc for one in theirs]
        influence = influence - np.stack([one.influence for one in theirs])
    number = len(values)
    records = float((influence.sum(axis=0) ** 2).sum()) / number**2
    if number > 1:
        targets = float(values.var(ddof=1)) / number
        both = float((influence**2).sum()) / number**2
        variance = max(targets, records, targets + records - both)
    else:
        variance = records
    return _estimate(values, variance, sum(one.roc.n for one in ours), "two-way clusters", level)


def mean_of(values: Sequence[float], n: int, *, level: float = LEVEL) -> Estimate:
    """The mean of one figure over targets or networks, with Student's interval; a single one has no interval.

    Args:
        values: one a target.
        n: records behind them.
        level: nominal coverage.
    """
    each = np.asarray(values, dtype=np.float64)
    variance = float(each.var(ddof=1)) / len(each) if len(each) > 1 else math.inf
    return _estimate(each, variance, n, "Student", level)


def within(estimate: Estimate, low: float = 0.0, high: float = 1.0) -> Estimate:
    """The same with the interval's ends inside a range."""
    return replace(estimate, low=max(low, estimate.low), high=min(high, estimate.high))


def _estimate(values: FloatArray, variance: float, n: int, method: str, level: float) -> Estimate:
    mean = float(values.mean())
    half = float(t.ppf(0.5 + level / 2.0, max(len(values) - 1, 1))) * math.sqrt(variance)
    return Estimate(mean, mean - half, mean + half, n, f"mean of {len(values)}, {method}", level)


def _placements(scores: FloatArray, member: np.typing.NDArray[np.bool_]) -> FloatArray:
    """Share of the other side that each record lies on the right side of, ties counting half, ``[n]``."""
    ranks = rankdata(scores)
    placements = np.empty(len(scores))
    for side in (member, ~member):
        others = len(scores) - int(side.sum())
        below = (ranks[side] - rankdata(scores[side])) / others
        placements[side] = below if side is member else 1.0 - below
    return placements
