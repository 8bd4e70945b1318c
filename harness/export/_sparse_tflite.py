"""Expands LiteRT's sparse tensors: the format of F. Kjolstad et al., "The Tensor Algebra Compiler", OOPSLA 2017.

A tensor is stored level by level, outermost first. A dense level has every index; a sparse one lists those of each
parent. Levels beyond the tensor's own dimensions lie inside blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.types import Array

__all__ = ["densified"]

SPARSE_CSR = 1


def densified(values: Array, sparsity: Any, shape: Sequence[int]) -> Array:
    """Expand a sparse tensor to a dense one.

    Args:
        values: the stored numbers, in the order of the levels.
        sparsity: the schema's ``SparsityParametersT``.
        shape: the tensor's shape.

    Returns:
        Numbers of the same type, in ``shape``.

    Raises:
        ValueError: the levels do not fit the shape or the stored numbers.
    """
    rank = len(shape)
    order = [int(dimension) for dimension in sparsity.traversalOrder]
    positions: NDArray[np.int64] = np.zeros(1, dtype=np.int64)
    coordinates: dict[int, NDArray[np.int64]] = {}
    sizes: dict[int, int] = {}
    for dimension, level in zip(order, sparsity.dimMetadata, strict=True):
        if level.format == SPARSE_CSR:
            starts, indices = (_integers(part) for part in (level.arraySegments, level.arrayIndices))
            counts = starts[positions + 1] - starts[positions]
            parents = np.repeat(np.arange(len(positions)), counts)
            # The position of each parent's first child, repeated for all its children.
            first = np.repeat(starts[positions] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
            positions = first + np.arange(len(parents))
            level_index = indices[positions]
        else:
            size = sizes[dimension] = int(level.denseSize)
            parents = np.repeat(np.arange(len(positions)), size)
            level_index = np.tile(np.arange(size), len(positions))
            positions = positions[parents] * size + level_index
        coordinates = {known: index[parents] for known, index in coordinates.items()} | {dimension: level_index}
    if len(positions) != len(values):
        raise ValueError(f"a sparse tensor has {len(positions)} places for {len(values)} numbers")
    for block, dimension in enumerate(sparsity.blockMap if sparsity.blockMap is not None else ()):
        coordinates[int(dimension)] = coordinates[int(dimension)] * sizes[rank + block] + coordinates[rank + block]
    dense: Array = np.zeros(shape, dtype=values.dtype)
    dense[tuple(coordinates[dimension] for dimension in range(rank))] = values[positions]
    return dense


def _integers(vector: Any) -> NDArray[np.int64]:
    return np.asarray(vector.values, dtype=np.int64)
