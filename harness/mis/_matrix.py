"""Checks of a loss matrix, and the grouping of its rows into distinct candidates."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.types import Array, FloatArray

__all__ = ["MIN_POINTS", "checked", "dedupe", "groups_of"]

# Cross-fitting needs two halves, and a standard deviation needs two points in each.
MIN_POINTS = 4
# Larger values are refused; the third power of smaller ones does not overflow.
LARGEST = 1e90
# Candidates whose losses differ by no more than this on every record are one candidate.
DEFAULT_TOL = 1e-12


def checked(losses: Array, *, name: str = "losses", min_points: int = MIN_POINTS) -> FloatArray:
    """Check a loss matrix; float32 and float64 are returned without a copy.

    Raises:
        InputError: not ``[K >= 1, N >= min_points]``, not floating, or NaN or infinity within; names ``name``.
    """
    matrix: NDArray[Any] = np.asarray(losses)
    if matrix.ndim != 2 or matrix.shape[0] < 1:
        raise InputError(f"{name}: shape {matrix.shape}, expected [candidates >= 1, records >= {min_points}]")
    if matrix.shape[1] < min_points:
        raise InputError(
            f"{name}: {matrix.shape[1]} evaluation record(s), at least {min_points} are needed",
            hint="give the losses of held-out records, one column each",
        )
    if not np.issubdtype(matrix.dtype, np.floating):
        if not (np.issubdtype(matrix.dtype, np.integer) or matrix.dtype == np.bool_):
            raise InputError(f"{name}: element type {matrix.dtype}, expected numbers")
        matrix = matrix.astype(np.float64)
    for k, row in enumerate(matrix):
        if not max(float(row.max()), -float(row.min())) <= LARGEST:  # NaN compares false, so one pass detects all three
            at = int(np.argmin(np.abs(row.astype(np.float64)) <= LARGEST))
            raise InputError(f"{name}: candidate {k}, record {at} is NaN, infinite or beyond {LARGEST:g}")
    return matrix


def groups_of(
    losses: FloatArray, *, keys: Sequence[Hashable] | None = None, tol: float = DEFAULT_TOL
) -> list[list[int]]:
    """Groups of rows that are one candidate: equal keys, or losses within ``tol`` on every record; lowest index first.

    Rows are compared only where two linear summaries agree, so the cost is about one pass over the matrix.
    """
    if tol < 0:
        raise InputError(f"tol={tol} is negative; expected 0 or more")
    k, n = losses.shape
    if keys is not None and len(keys) != k:
        raise InputError(f"keys: {len(keys)} for {k} candidates; give one per candidate")
    parent = list(range(k))

    def find(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    def merge(i: int, j: int) -> None:
        a, b = sorted((find(i), find(j)))
        parent[b] = a  # the argmin breaks ties by the lowest index, so the lowest index represents the group

    if keys is not None:
        first: dict[Hashable, int] = {}
        for i, key in enumerate(keys):
            merge(first.setdefault(key, i), i)
    probe = np.cos(np.arange(n, dtype=np.float64))
    scale = max(max(float(row.max()), -float(row.min())) for row in losses)
    # Bound of the rounding of a sum of n terms of this size; too wide a slack only costs comparisons.
    slack = n * (tol + 4 * np.finfo(np.float64).eps * scale)
    summaries = np.array([np.einsum("i,i->", row, probe) for row in losses])
    order = np.argsort(summaries, kind="stable")
    for position, i in enumerate(order):
        for j in order[position + 1 :]:
            if summaries[j] - summaries[i] > slack:
                break
            if find(int(i)) != find(int(j)) and np.max(np.abs(losses[i] - losses[j])) <= tol:
                merge(int(i), int(j))
    groups: dict[int, list[int]] = {}
    for i in range(k):
        groups.setdefault(find(i), []).append(i)
    return list(groups.values())


def dedupe(
    losses: Array, *, keys: Sequence[Hashable] | None = None, tol: float = DEFAULT_TOL
) -> tuple[FloatArray, list[list[int]]]:
    """Merge candidates that are the same: ``L[K, N]`` to ``L[K', N]`` and the groups of original rows.

    The estimator breaks ties by the lowest index, so a duplicate is never selected and must not count as a rival.

    Args:
        losses: ``[K, N]``.
        keys: one per candidate, e.g. digests of the exported bytes; equal keys are one candidate.
        tol: largest difference on any record at which two rows are one candidate.

    Raises:
        InputError: the matrix cannot be used, or ``keys`` has another length.
    """
    matrix = checked(losses, min_points=1)
    groups = groups_of(matrix, keys=keys, tol=tol)
    return np.asarray(matrix[[g[0] for g in groups]], dtype=np.float64), groups
