"""Which rivals can win at all: the joint laws are those of the best candidate and these."""

from __future__ import annotations

import math

import numpy as np

from harness.types import FloatArray

__all__ = ["MAX_RIVALS", "reachable"]

# Beyond this many standard deviations of the summed loss behind the closest, a rival wins once in 1e15 trainings.
REACH = 8.0
# The cost of a joint law grows with the square of the candidates.
MAX_RIVALS = 127


def reachable(matrix: FloatArray, n: int) -> FloatArray:
    """The best candidate and the rivals that can win, in their order, because ties go to the lowest row.

    Far from a tie what counts is how much farther than the closest rival another one is. Where the training set is
    larger than the N records, these decide what is near: they do not know the gaps any better.

    Args:
        matrix: losses ``[K, N]``, no duplicates, at least two rows.
        n: size of the training set.

    Returns:
        The losses of at least two and at most 128 rows, float64.
    """
    base = int(np.argmin(matrix.mean(axis=1, dtype=np.float64)))
    best = np.asarray(matrix[base], dtype=np.float64)
    ratio = np.array([_ratio(row - best) for row in matrix])
    ratio[base] = -math.inf
    order = np.argsort(ratio, kind="stable")
    closest = float(ratio[order[1]])
    reach = REACH / math.sqrt(min(n, matrix.shape[1]))
    near = order[ratio[order] <= closest + reach] if math.isfinite(closest) else order[:2]
    return np.asarray(matrix[np.sort(near[: MAX_RIVALS + 1])], dtype=np.float64)


def _ratio(difference: FloatArray) -> float:
    spread = float(difference.std())
    return float(difference.mean()) / spread if spread > 0.0 else math.inf
