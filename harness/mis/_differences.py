"""Paired differences of two quantizers' indicators, and the chances of every rank, from the same resamples."""

from __future__ import annotations

import numpy as np

from harness.mis._indicator import finite_or_inf
from harness.mis._rivals import Rivals, Smallest, critical, two_sided_t
from harness.types import Estimate, FloatArray

__all__ = ["difference", "moved", "rank_shares"]

# Rivals of either quantizer that are paired; those that are farther bound the difference less.
MAX_PAIRED = 32
# Standard errors of a difference below this share of the root's own are rounding: the two pairs are one pair.
SAME_PAIR = 1e-6
# Resampled roots that agree to this are one value: equal pairs of candidates in two quantizers tie exactly.
TIE_TOL = 1e-9


def difference(
    a: tuple[float, Smallest, Rivals], b: tuple[float, Smallest, Rivals], *, level: float, label: str
) -> Estimate:
    """``r_a - r_b`` of two quantizers, each given by its ``r``, its smallest root and its rivals.

    Both are minima over rivals. Whichever rival of b is its closest, the smallest root of a is below that of each of
    a's rivals; so the upper end takes, for every rival of b, the least of upper ends that hold together over a's
    rivals, and then the largest over b's rivals. The lower end is the same the other way round. All from paired
    differences on the same records, so that what moves both moves neither end.
    """
    (r_a, smallest_a, rivals_a), (r_b, smallest_b, rivals_b) = a, b
    rounding = TIE_TOL * max(1.0, abs(rivals_a.roots[0]), abs(rivals_b.roots[0]))
    low, high = (
        0.0 if abs(end) <= rounding else end
        for end in (-_upper(rivals_b, rivals_a, level), _upper(rivals_a, rivals_b, level))
    )
    # r_a - r_b is the roots' difference times their mean, which lies between the means of their ends.
    least = 0.5 * (max(smallest_a.low, 0.0) + max(smallest_b.low, 0.0))
    most = 0.5 * (max(smallest_a.high, 0.0) + max(smallest_b.high, 0.0))
    ends = (
        _signed_inf(low * (least if low > 0.0 else most)),
        _signed_inf(high * (most if high > 0.0 else least)),
    )
    value = 0.0 if r_a == r_b else r_a - r_b  # the difference of two infinities is zero, not NaN
    return Estimate(min(max(value, ends[0]), ends[1]), *ends, rivals_a.units, label, level=level)


def _upper(a: Rivals, b: Rivals, level: float) -> float:
    """Upper end of the smallest root of a minus that of b."""
    ours = a.noise[:MAX_PAIRED]
    own = a.errors[: len(ours)]
    highest = -np.inf
    for root, error, other in zip(b.roots, b.errors, b.noise[:MAX_PAIRED], strict=False):
        noise = ours - other
        errors = noise.std(axis=1)
        errors[errors <= SAME_PAIR * np.maximum(error, own)] = 0.0
        gaps = a.roots[: len(ours)] - root
        highest = max(highest, float((gaps + critical(noise, errors, level, a.units) * errors).min()))
    return highest


def moved(smallest: Smallest, rivals: Rivals, level: float) -> FloatArray:
    """The smallest root as each resample would move it, ``[draws]``: half a normal law towards either end.

    Quantizers whose closest pairs are the same move together, so their ranks are paired.
    """
    z = two_sided_t(level, rivals.units)
    error = rivals.errors[0]
    steps = rivals.noise[0] / error if error > 0.0 else np.zeros(rivals.noise.shape[1])
    below, above = smallest.middle - smallest.low, smallest.high - smallest.middle
    return np.asarray(smallest.middle + steps / z * np.where(steps < 0.0, below, above))


def rank_shares(roots: FloatArray) -> FloatArray:
    """``roots [Q, draws]`` to ``[Q, Q]``: how often each quantizer holds each rank, the largest root first.

    Quantizers that tie in a resample share the ranks they hold together.
    """
    q, draws = roots.shape
    # Rounding differs with the order of a sum, so values that agree up to TIE_TOL count as tied.
    scale = np.maximum(np.abs(roots), 1.0)
    shares = np.zeros((q, q))
    for i in range(q):
        gap = (roots - roots[i]) / np.maximum(scale, scale[i])
        above = (gap > TIE_TOL).sum(axis=0)
        equal = (np.abs(gap) <= TIE_TOL).sum(axis=0)
        for rank in range(q):
            holds_rank = (above <= rank) & (rank < above + equal)
            shares[i, rank] = (holds_rank / equal).sum() / draws
    return shares


def _signed_inf(x: float) -> float:
    return finite_or_inf(x) if x >= 0 else -finite_or_inf(-x)
