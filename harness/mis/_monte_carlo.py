"""The leakage by simulation: a lower and an upper estimate, because a single plug-in figure is biased upward."""

from __future__ import annotations

import numpy as np

from harness.errors import InputError
from harness.types import Array, FloatArray

__all__ = ["mc_delta"]

# Sums of losses held in memory at once, numbers.
CHUNK = 1 << 23


def mc_delta(sums_a: Array, sums_b: Array, targets: Array) -> tuple[float, float]:
    """Estimates of ``Delta_n`` that lie below and above it in expectation.

    Every target record is added to the same draws of the other ``n - 1`` records (common random numbers). Lower: the
    sign of ``p_k(z) - p_k`` comes from one half of the draws, its size from the other, both ways round. Upper: the
    plug-in mean of ``|p_k(z) - p_k|`` over all draws, biased upward by the noise.

    Args:
        sums_a: losses of K candidates summed over ``n - 1`` fresh records, one row a draw, ``[B, K]``.
        sums_b: the same, independent draws.
        targets: losses of the candidates on M target records, ``[M, K]``.

    Returns:
        ``(lower, upper)``; the lower one may fall a little below zero.

    Raises:
        InputError: shapes disagree, there are no draws or targets, or values are not finite.
    """
    a, b, x = (np.asarray(v, dtype=np.float64) for v in (sums_a, sums_b, targets))
    for name, v in (("sums_a", a), ("sums_b", b), ("targets", x)):
        if v.ndim != 2 or v.size == 0 or v.shape[1] != x.shape[-1] or not np.isfinite(v).all():
            raise InputError(f"{name}: shape {v.shape}, expected finite [rows >= 1, {x.shape[-1]} candidates]")
    p_a, p_b = _frequencies(a, x), _frequencies(b, x)
    d_a, d_b = p_a - p_a.mean(axis=0), p_b - p_b.mean(axis=0)
    crossed = np.sign(d_a) * d_b + np.sign(d_b) * d_a
    share = len(a) / (len(a) + len(b))
    pooled = share * d_a + (1.0 - share) * d_b
    return float(0.25 * crossed.sum(axis=1).mean()), float(0.5 * np.abs(pooled).sum(axis=1).mean())


def _frequencies(sums: FloatArray, targets: FloatArray) -> FloatArray:
    """Share of draws in which each candidate wins with each target added, ``[M, K]``."""
    m, k = targets.shape
    wins = np.empty((m, k))
    # Targets are processed in blocks: the winner of draw b with target m is the argmin of sums[b] + targets[m].
    step = max(1, CHUNK // (len(sums) * k))
    for begin in range(0, m, step):
        block = targets[begin : begin + step]
        winner = np.argmin(block[:, None, :] + sums[None], axis=2)
        for i, row in enumerate(winner):
            wins[begin + i] = np.bincount(row, minlength=k)
    return wins / len(sums)
