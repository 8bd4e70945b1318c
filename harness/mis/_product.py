"""The leakage where candidates are independent decisions: codes of weights, each left as it is or flipped."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr

from harness.errors import InputError
from harness.mis._matrix import checked
from harness.types import Array, FloatArray

__all__ = ["product_log_delta"]

# Target records that are added, and patterns of decisions drawn for each.
TARGETS, PATTERNS = 512, 256
# Below this many expected flips a training, patterns of two or more are left out.
RARE = 0.02


def product_log_delta(losses: Array, *, n: int, base: int = 0, seed: int = 0) -> float:
    """``log Delta_n`` where every row but ``base`` is one flipped code, and the flips are independent of each other.

    A trained model is then one of ``2^(K-1)`` patterns, of which the matrix holds those of one flip. Decision j is
    taken when its summed loss difference is negative: a Gaussian probability, moved by the target record's difference.
    Patterns multiply, so the leakage grows with the number of undecided codes (``sqrt(d) / (pi sqrt n)`` for d ties),
    while a joint limit over K candidates is bounded. Exact for losses that add up over weights with independent
    differences; else an approximation. Derived.

    Args:
        losses: ``[K, N]`` on held-out records: the best code and its single flips.
        n: training-set size, at least 2.
        base: row of the unflipped code.
        seed: of the drawn patterns.

    Returns:
        The logarithm; minus infinity for a single candidate.

    Raises:
        InputError: the matrix, ``n`` or ``base`` cannot be used.
    """
    matrix = checked(losses, min_points=2)
    if n < 2:
        raise InputError(f"n={n}: the training set needs at least 2 records")
    if not 0 <= base < len(matrix):
        raise InputError(f"base={base} is none of the {len(matrix)} candidates")
    gaps = np.delete(matrix, base, axis=0) - matrix[base]
    spread = gaps.std(axis=1, ddof=1)
    gaps, spread = gaps[spread > 0], spread[spread > 0]
    if not len(gaps):
        return -math.inf
    mean = gaps.mean(axis=1)
    rng = np.random.default_rng(seed)
    chosen = rng.choice(gaps.shape[1], size=min(TARGETS, gaps.shape[1]), replace=False)
    # Distance of the other records' sum from the decision, in standard deviations; the target adds its own difference.
    others = (n - 1) * mean[:, None] + gaps[:, chosen]
    taken = ndtr(-others / (spread * math.sqrt(n - 1))[:, None]).T
    usual = ndtr(-n * mean / (spread * math.sqrt(n)))
    flips = np.minimum(usual, 1.0 - usual).sum()
    distances = _enumerated(taken, usual) if flips < RARE else _drawn(taken, usual, rng)
    value = float(distances.mean())
    return math.log(value) if value > 0 else -math.inf


def _enumerated(taken: FloatArray, usual: FloatArray) -> FloatArray:
    """Total variation over the usual pattern and its single changes, ``[targets]``."""
    change = np.where(usual > 0.5, -1.0, 1.0) * (taken - usual)
    return np.asarray(0.5 * (np.abs(change).sum(axis=1) + np.abs(change.sum(axis=1))), dtype=np.float64)


def _drawn(taken: FloatArray, usual: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Total variation: mean of ``max(0, 1 - likelihood ratio)`` over patterns without the target, ``[targets]``."""
    distances = np.empty(len(taken))
    with np.errstate(divide="ignore", invalid="ignore"):
        yes, no = np.log(taken) - np.log(usual), np.log1p(-taken) - np.log1p(-usual)
    # A decision that is always, or never, taken carries no information.
    yes, no = np.nan_to_num(yes, nan=0.0), np.nan_to_num(no, nan=0.0)
    for row in range(len(taken)):
        pattern = rng.random((PATTERNS, len(usual))) < usual
        ratio = np.where(pattern, yes[row], no[row]).sum(axis=1)
        distances[row] = -np.expm1(np.minimum(ratio, 0.0)).mean()
    return distances
