"""The true leakage of rounding a Gaussian mean to a grid: the law of the code is a product over the weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from harness.types import FloatArray, IntArray

__all__ = ["Truth", "true_delta"]

# Below this chance of any weight leaving its most likely level the codes are enumerated, above it they are drawn.
RARE = 0.02
# A weight that leaves its level less often than this, whatever record is present, decides nothing and is left out.
DECIDED = 1e-200
TWO_SIDED = 1.96


@dataclass(frozen=True)
class Truth:
    """``Delta_n``, the leakage to the best possible membership attack, with a 95% interval over target records.

    Args:
        value: mean over the target records.
        low: lower end.
        high: upper end.
        how: ``enumerated`` or ``drawn``.
    """

    value: float
    low: float
    high: float
    how: str


def true_delta(
    mean: FloatArray, cuts: FloatArray, *, n: int, records: int, codes: int, rng: np.random.Generator
) -> Truth:
    """``Delta_n = E_z TV(P(code | z is a member), P(code))`` for the mean of n Gaussian records, cut into levels.

    A member shifts the mean by ``(z - mu) / n`` and leaves it less room: its variance falls from ``1 / n`` to
    ``(n - 1) / n^2``. Both laws of the code are products over the weights, so a code's likelihood ratio is exact. The
    expectation over codes is enumerated where flips are rare (the most likely code and its single flips) and averaged
    over drawn codes elsewhere; that over records always.

    Args:
        mean: mean of the records, ``[d]``; their noise has variance one.
        cuts: boundaries of the levels, ascending, ``[levels - 1]``.
        n: training-set size, at least 2.
        records: target records z to average over.
        codes: codes to draw for each, where they are drawn.
        rng: source of both.
    """
    targets = mean + rng.standard_normal((records, len(mean)))
    spread, left = 1.0 / math.sqrt(n), math.sqrt(n - 1) / n
    shifted = mean + (targets - mean) / n
    inner = np.concatenate(([-np.inf], cuts, [np.inf]))
    base = np.searchsorted(cuts, mean, side="right")
    most = np.maximum(_left(inner, base, mean, spread), _left(inner, base, shifted, left).max(axis=0))
    undecided = most > DECIDED
    if not undecided.any():
        return Truth(0.0, 0.0, len(mean) * DECIDED, "enumerated")
    mean, shifted = mean[undecided], shifted[:, undecided]
    if most.sum() < RARE:
        each, how = _enumerated(inner, base[undecided], mean, shifted, spread, left), "enumerated"
    else:
        each, how = _drawn(inner, mean, shifted, spread, left, codes=codes, rng=rng), "drawn"
    value, error = float(each.mean()), float(each.std(ddof=1)) / math.sqrt(records)
    return Truth(value, max(value - TWO_SIDED * error, 0.0), value + TWO_SIDED * error, how)


def _mass(inner: FloatArray, level: IntArray, mean: FloatArray, spread: float) -> FloatArray:
    """Probability of levels under Gaussians; the side away from zero is taken where it is the more exact one."""
    low, high = (inner[level] - mean) / spread, (inner[level + 1] - mean) / spread
    above = low > 0
    upper = ndtr(np.where(above, -low, high))
    lower = ndtr(np.where(above, -high, low))
    return np.asarray(upper - lower, dtype=np.float64)


def _enumerated(
    inner: FloatArray, base: IntArray, mean: FloatArray, shifted: FloatArray, spread: float, left: float
) -> FloatArray:
    """Total variation over the most likely code and its single flips, ``[records]``; two weigh ``RARE`` of one."""
    difference = np.zeros(len(shifted))
    for step in (-1, 1):
        level = base + step
        inside = (level >= 0) & (level < len(inner) - 1)
        if inside.any():
            here = level[inside]
            change = _mass(inner, here, shifted[:, inside], left) - _mass(inner, here, mean[inside], spread)
            difference += np.abs(change).sum(axis=1)
    stay = np.log1p(-_left(inner, base, shifted, left)).sum(axis=-1) - np.log1p(-_left(inner, base, mean, spread)).sum()
    # The most likely code has nearly all the mass, so its change is that of its logarithm.
    return np.asarray(0.5 * (difference + np.abs(np.expm1(stay))), dtype=np.float64)


def _left(inner: FloatArray, base: IntArray, mean: FloatArray, spread: float) -> FloatArray:
    """Chance of leaving the base level, from the tails, so that a small one is exact."""
    below, above = (inner[base] - mean) / spread, (mean - inner[base + 1]) / spread
    return np.asarray(ndtr(below) + ndtr(above), dtype=np.float64)


def _drawn(
    inner: FloatArray,
    mean: FloatArray,
    shifted: FloatArray,
    spread: float,
    left: float,
    *,
    codes: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Total variation: mean of ``max(0, 1 - likelihood ratio)`` over codes from the law without z, ``[records]``."""
    variation = np.empty(len(shifted))
    cuts = inner[1:-1]
    for row, moved in enumerate(shifted):
        level = np.searchsorted(cuts, mean + spread * rng.standard_normal((codes, len(mean))), side="right")
        with np.errstate(divide="ignore"):
            ratio = np.log(_mass(inner, level, moved, left)) - np.log(_mass(inner, level, mean, spread))
        variation[row] = np.maximum(-np.expm1(np.minimum(ratio.sum(axis=1), 0.0)), 0.0).mean()
    return variation
