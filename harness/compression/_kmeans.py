"""k-means in one dimension: exact by dynamic programming; approximate, on bins, where there are many values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["kmeans_line"]

# The dynamic program is quadratic in this. Up to as many distinct values it is exact; above, Lloyd's steps follow it.
MAX_BINS = 1024
# Lloyd's steps converge within a few dozen; the bound only ends a cycle of rounding errors.
MAX_STEPS = 200

Floats = NDArray[np.float64]


def kmeans_line(values: NDArray[np.float32], *, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Cluster numbers into k groups of least total squared distance to their means.

    On the line an optimal cluster is an interval, so dynamic programming over sorted values finds the optimum (Wang
    and Song 2011). Above 1,024 distinct values it runs on about a thousand bins, and Lloyd's steps on all values
    refine the result to a local optimum. No random numbers.

    Args:
        values: float32, any shape.
        k: number of groups; fewer are returned where there are fewer distinct values.

    Returns:
        Group of each value, int64 of the same shape, and the groups' means, float32, ascending and distinct.
    """
    # Sorting is fast, argsort is not: the groups' borders assign the values at the end.
    ordered = np.sort(values, axis=None)
    x = ordered.astype(np.float64)
    moment = np.concatenate(([0.0], np.cumsum(x)))
    edges = _bin_edges(x)
    bins = len(edges) - 1
    if bins <= k:
        starts = edges[:-1]
    else:
        square = np.concatenate(([0.0], np.cumsum(np.add.reduceat(x * x, edges[:-1]))))
        starts = edges[_optimal_starts(edges.astype(np.float64), moment[edges], square, k=k)]
        starts = _lloyd(x, moment, starts)
    codebook = _means(moment, starts).astype(np.float32)
    ids = np.searchsorted(ordered[starts[1:]], values, side="right").astype(np.int64, copy=False)
    # Two means may round to one float32; the group numbers then have to merge as well.
    distinct, merged = np.unique(codebook, return_inverse=True)
    if len(distinct) < len(codebook):
        return merged[ids], distinct
    return ids, codebook


def _bin_edges(x: Floats) -> NDArray[np.int64]:
    """First value of each bin, and the end: one bin per distinct value, or bins of equal count and of equal width.

    Equal counts alone give coarse bins in the tails, where the largest squared distances are. Equal values share a bin.
    """
    firsts = np.flatnonzero(np.concatenate(([True], x[1:] != x[:-1])))
    if len(firsts) <= MAX_BINS:
        return np.append(firsts, len(x))
    half = MAX_BINS // 2
    by_count = x[np.linspace(0, len(x) - 1, half).astype(np.int64)]
    by_width = np.linspace(x[0], x[-1], half + 1)[:-1]
    return np.append(np.unique(np.searchsorted(x, np.concatenate((by_count, by_width)))), len(x))


def _optimal_starts(weight: Floats, moment: Floats, square: Floats, *, k: int) -> NDArray[np.int64]:
    """First bin of each of k intervals, by dynamic programming on prefix sums over m bins, in O(k m^2)."""
    m = len(weight) - 1
    k = min(k, m)
    start, end = np.arange(m)[:, None], np.arange(1, m + 1)[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        mass = weight[end] - weight[start]
        spread = (square[end] - square[start]) - (moment[end] - moment[start]) ** 2 / mass
    spread[start >= end] = np.inf
    best = spread[0]
    choices = []
    for _ in range(1, k):
        # best[i - 1] is the cost of the bins before i; an interval starts at i and ends with each later bin.
        total = np.concatenate(([np.inf], best[:-1]))[:, None] + spread
        choices.append(np.argmin(total, axis=0))
        best = np.min(total, axis=0)
    starts = [m]
    for choice in reversed(choices):
        starts.append(int(choice[starts[-1] - 1]))
    return np.array([0, *reversed(starts[1:])], dtype=np.int64)


def _lloyd(x: Floats, moment: Floats, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    for _ in range(MAX_STEPS):
        means = _means(moment, starts)
        borders = np.searchsorted(x, (means[1:] + means[:-1]) / 2, side="right")
        next_starts = np.concatenate(([0], borders))
        # A step that empties a group would lose a shared value; then the groups before it are the result.
        if np.array_equal(next_starts, starts) or (np.diff([*next_starts, len(x)]) < 1).any():
            break
        starts = next_starts
    return starts


def _means(moment: Floats, starts: NDArray[np.int64]) -> Floats:
    ends = np.append(starts[1:], len(moment) - 1)
    means: Floats = (moment[ends] - moment[starts]) / (ends - starts)
    return means
