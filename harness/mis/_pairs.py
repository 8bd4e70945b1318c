"""Paired loss differences between the best candidate and every rival: gap, spread and their ratio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.errors import InputError
from harness.mis._matrix import checked
from harness.types import Array, FloatArray, IntArray

__all__ = ["SNR_LIMIT", "PairStats", "pair_stats", "signal_to_noise"]

# A signal-to-noise ratio beyond this is a rival that is never selected (spread zero but for rounding): in effect
# infinity, but finite so that no average computes inf - inf.
SNR_LIMIT = 1e6


@dataclass(frozen=True, eq=False)
class PairStats:
    """Loss differences ``X_k = l_k - l_ref`` of every rival k, over the records.

    Args:
        ref: row of the smallest mean loss (lowest index on a tie).
        idx: rows of the rivals, ``[K-1]``.
        delta: mean of ``X_k``, ``[K-1]``.
        sigma: standard deviation of ``X_k`` (ddof 1; of the law itself where weights are given).
        skew: standardised third central moment, 0 where the spread is 0.
        snr: ``delta / sigma``, within +-1e6.
        t: ``sqrt(N) * snr``.
    """

    ref: int
    idx: IntArray
    delta: FloatArray
    sigma: FloatArray
    skew: FloatArray
    snr: FloatArray
    t: FloatArray


def signal_to_noise(delta: FloatArray, sigma: FloatArray) -> FloatArray:
    """``delta / sigma`` within +-SNR_LIMIT; 0 where both are 0 (a tie that was not broken on these records)."""
    delta, sigma = np.asarray(delta, dtype=np.float64), np.asarray(sigma, dtype=np.float64)
    ratio = np.asarray(np.sign(delta) * SNR_LIMIT)
    np.divide(delta, sigma, out=ratio, where=np.abs(delta) < SNR_LIMIT * sigma)
    return np.asarray(ratio)


def pair_stats(losses: Array, *, ref: int | None = None, weights: Array | None = None) -> PairStats:
    """Gap, spread, skew and signal-to-noise ratio of every rival against the reference, from paired differences.

    Args:
        losses: ``[K, N]``, duplicates removed.
        ref: row to compare with; None takes the row of the smallest mean loss.
        weights: probabilities of the columns where they are the atoms of a known law, ``[N]``; None means a sample.

    Raises:
        InputError: the matrix or the weights cannot be used, or ``ref`` is no row.
    """
    matrix = checked(losses, min_points=2)
    k, n = matrix.shape
    w = None if weights is None else checked_law(weights, n)
    if ref is None:
        means = matrix.mean(axis=1, dtype=np.float64) if w is None else matrix.astype(np.float64) @ w
        ref = int(np.argmin(means))
    if not 0 <= ref < k:
        raise InputError(f"ref={ref} is none of the {k} candidates")
    rivals = np.delete(np.arange(k), ref)
    base = np.asarray(matrix[ref], dtype=np.float64)
    moments = np.array([_moments(matrix[i] - base, w) for i in rivals]).reshape(-1, 3)
    delta, sigma, skew = moments.T
    snr = signal_to_noise(delta, sigma)
    return PairStats(ref=ref, idx=rivals, delta=delta, sigma=sigma, skew=skew, snr=snr, t=np.sqrt(n) * snr)


def checked_law(weights: Array, n: int) -> FloatArray:
    """Check a law: probabilities ``[n]`` that sum to one.

    Raises:
        InputError: another length, a negative or non-finite entry, or a sum far from one.
    """
    w = np.asarray(weights, dtype=np.float64)
    if w.shape != (n,) or not np.isfinite(w).all() or w.min() < 0 or abs(w.sum() - 1.0) > 1e-6:
        raise InputError(f"weights: expected {n} probabilities that sum to one")
    return np.asarray(w / w.sum())


def _moments(x: FloatArray, w: FloatArray | None) -> tuple[float, float, float]:
    if w is None:
        delta = float(x.mean())
        centred = x - delta
        square = centred * centred
        variance, third = float(square.sum()) / (len(x) - 1), float((square * centred).mean())
    else:
        delta = float(w @ x)
        centred = x - delta
        square = centred * centred
        variance, third = float(w @ square), float(w @ (square * centred))
    sigma = float(np.sqrt(variance))
    # A spread below the rounding of the gap counts as zero; its skew would be noise divided by rounding.
    usable = sigma * SNR_LIMIT > abs(delta) and variance**1.5 > 0
    return delta, sigma, third / variance**1.5 if usable else 0.0
