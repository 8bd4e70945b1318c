"""How much a variant leaks, over all networks and records, with intervals for other networks and other records."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from harness import stats
from harness.types import Estimate, FloatArray, IntArray, TprEstimate

__all__ = ["LEVEL", "RATES", "Leak", "auc_difference", "leak_of", "mean", "mean_difference", "tpr_ratio"]

LEVEL = 0.95
RATES = (0.001, 0.01)
# True positives below which the logarithm of a rate is not near normal: the ratio's ends are then the rates' ends.
FEW = 10
METHOD = "two-way clusters"

Influence = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Leak:
    """What one adversary finds in one variant.

    Args:
        auc: over all pairs of a network and a record.
        tpr: false-positive rate -> true-positive rate at one threshold for all pairs.
        balanced: balanced accuracy, at a cut from the other half of the networks.
        auc_influence: by how much each pair moves the AUC, ``[networks, r]``.
        tpr_influence: the same of each rate.
    """

    auc: Estimate
    tpr: Mapping[float, TprEstimate]
    balanced: Estimate
    auc_influence: Influence
    tpr_influence: Mapping[float, Influence]

    @property
    def true_positives(self) -> int:
        """Members above the threshold of the lowest rate."""
        rate = self.tpr[min(self.tpr)]
        return round(rate.value * rate.n / 2) if math.isfinite(rate.value) else 0


def leak_of(scores: FloatArray, trained: IntArray, *, cut_from: FloatArray, level: float = LEVEL) -> Leak:
    """Measure an attack.

    Pairs of one network vary together, and so do pairs of one record, on which all networks' references agree. The
    variance is that of two-way clusters (Cameron, Gelbach & Miller, Robust inference with multiway clustering, 2011)
    of each pair's influence; the harness's intervals take it as a design effect, so that ties and few true positives
    are dealt with as they are everywhere else.

    Args:
        scores: ``[networks, r]``.
        trained: 1 for members, ``[networks, r]``.
        cut_from: scores that the adversary has of networks of its own, ``[networks, r]``: each half of the networks is
            cut where the other half's are told apart best.
        level: nominal coverage.
    """
    member = trained == 1
    flat, truth = scores.ravel(), trained.ravel()
    curve = stats.roc(flat, truth)
    placed = stats.placements_per_record(flat, member.ravel()).reshape(member.shape)
    auc_influence = _by_side(placed, member)
    above = _above_cut(scores, trained, cut_from)
    balanced = stats.roc(above.ravel().astype(np.float64), truth)
    correct = np.where(member, above, ~above).astype(np.float64)
    tpr_influence = {
        rate: _by_side(stats.tpr_parts(curve, flat, member.ravel(), rate).reshape(member.shape), member)
        for rate in RATES
    }
    return Leak(
        auc=stats.auc(curve, level=level, design_effect=_design_effect(auc_influence)),
        tpr={
            rate: stats.tpr_at_fpr(curve, rate, level=level, design_effect=_design_effect(influence))
            for rate, influence in tpr_influence.items()
        },
        balanced=stats.balanced_accuracy(
            balanced, None, 1.0, level=level, design_effect=_design_effect(_by_side(correct, member) / 2.0)
        ),
        auc_influence=auc_influence.astype(np.float32),
        tpr_influence={rate: influence.astype(np.float32) for rate, influence in tpr_influence.items()},
    )


def tpr_ratio(ours: Leak, theirs: Leak, *, rate: float = RATES[0], level: float = LEVEL) -> Estimate:
    """One variant's true-positive rate as a multiple of another's on the same pairs.

    The interval is of the logarithm, paired by pair, with Student's quantile of the number of networks less one. With
    few true positives it spans the ratios of the two rates' ends instead, which is wider.
    """
    a, b = ours.tpr[rate], theirs.tpr[rate]
    if not (a.resolvable and b.resolvable and b.value > 0):
        return Estimate(math.nan, 0.0, math.inf, a.n, METHOD, level, resolvable=False)
    value = a.value / b.value
    if min(a.value, b.value) * a.n / 2 < FEW:
        high = a.high / b.low if b.low > 0 else math.inf
        return Estimate(value, a.low / b.high, high, a.n, "ends of the rates", level)
    influence = ours.tpr_influence[rate] / a.value - theirs.tpr_influence[rate] / b.value
    half = _half(influence, level)
    return Estimate(value, value * math.exp(-half), value * math.exp(half), a.n, METHOD, level)


def auc_difference(ours: Leak, theirs: Leak, *, level: float = LEVEL) -> Estimate:
    """One variant's AUC less another's on the same pairs."""
    difference = ours.auc.value - theirs.auc.value
    half = _half(ours.auc_influence - theirs.auc_influence, level)
    return Estimate(difference, difference - half, difference + half, ours.auc.n, METHOD, level)


def mean(values: FloatArray, *, level: float = LEVEL, within: NDArray[np.bool_] | None = None) -> Estimate:
    """Mean over networks and records, with the interval of two-way clusters inside [0, 1].

    Args:
        values: shares or truths, ``[networks, r]``.
        level: nominal coverage.
        within: which of them are counted, bool ``[networks, r]``; None takes all.
    """
    counted = np.ones(values.shape, dtype=np.bool_) if within is None else within
    number = int(counted.sum())
    value = float(values[counted].mean())
    half = _half((values - value) * counted / number, level)
    return Estimate(value, max(0.0, value - half), min(1.0, value + half), number, METHOD, level)


def mean_difference(ours: FloatArray, theirs: FloatArray, *, level: float = LEVEL) -> Estimate:
    """Difference of two means over the same networks and records, ``[networks, r]`` each."""
    values = ours.astype(np.float64) - theirs
    value = float(values.mean())
    half = _half((values - value) / values.size, level)
    return Estimate(value, value - half, value + half, values.size, METHOD, level)


def _by_side(parts: FloatArray, member: NDArray[np.bool_]) -> FloatArray:
    """Influence of each pair on the sum of two means, one over members and one over the others."""
    influence = np.empty(parts.shape)
    for side in (member, ~member):
        influence[side] = (parts[side] - parts[side].mean()) / side.sum()
    return influence


def _variance(influence: NDArray[np.floating]) -> float:
    """Variance of two-way clusters, ``[networks, r]``; never below either cluster's own."""
    values = influence.astype(np.float64)
    networks, records = float((values.sum(axis=1) ** 2).sum()), float((values.sum(axis=0) ** 2).sum())
    return max(networks, records, networks + records - float((values**2).sum()))


def _design_effect(influence: FloatArray) -> float:
    alone = float((influence**2).sum())
    return max(1.0, _variance(influence) / alone) if alone > 0 else 1.0


def _half(influence: NDArray[np.floating], level: float) -> float:
    quantile = float(t.ppf(0.5 + level / 2.0, max(len(influence) - 1, 1)))
    return quantile * math.sqrt(_variance(influence))


def _above_cut(scores: FloatArray, trained: IntArray, cut_from: FloatArray) -> NDArray[np.bool_]:
    """Which pairs are called members; networks with an even and with an odd number cut one another's scores."""
    above = np.empty(scores.shape, dtype=np.bool_)
    for half in (0, 1):
        others = slice(1 - half, None, 2)
        cut = stats.best_threshold(cut_from[others].ravel(), trained[others].ravel())
        above[half::2] = scores[half::2] >= cut
    return above
