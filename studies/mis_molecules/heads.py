"""Weights of a linear head through a quantizer whose levels were calibrated once, on a pilot's weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.compression._kmeans import kmeans_line
from harness.compression.grids import Grid, fit, is_grid
from harness.errors import ConfigError
from harness.mis import Cells
from harness.types import FloatArray
from studies._shared import GRIDS
from studies._shared.weight_bits import FLOAT

__all__ = ["FINITE", "FLOAT", "QUANTIZERS", "HeadQuantizer", "quantizers"]

# Finitely many codes. `uniform-B-channel` is left out: a head of one output has one channel.
FINITE = (*GRIDS, "cluster-4", "cluster-16")
QUANTIZERS = (*FINITE, "prune-0.5", "prune-0.9", FLOAT)


@dataclass(frozen=True)
class HeadQuantizer:
    """A map of weights, and how it divides each weight's line.

    Args:
        quantize: weights ``[K, d]`` to quantized weights.
        cells: the division, given weights ``[K, d]`` of several trainings (only pruning looks at them).
        grid: the levels; None where values are kept, so that there are no finitely many codes.
    """

    quantize: Callable[[FloatArray], FloatArray]
    cells: Callable[[FloatArray], Cells]
    grid: Grid | None = None


def quantizers(pilot: FloatArray, names: Sequence[str] = QUANTIZERS) -> Mapping[str, HeadQuantizer]:
    """Quantizers by name, their levels fitted to a pilot.

    ``prune-S`` zeroes the share S of least magnitude of each row and keeps the other values, so that its codes, like
    the float's, are not finitely many.

    Args:
        pilot: weights ``[d]`` of a model that was fitted to other records.
        names: see :data:`QUANTIZERS`.

    Raises:
        ConfigError: a name is not known.
    """
    return {name: _quantizer(pilot, name) for name in names}


def _quantizer(pilot: FloatArray, name: str) -> HeadQuantizer:
    family, _, amount = name.partition("-")
    if name == FLOAT:
        return HeadQuantizer(np.array, lambda _: Cells(np.zeros(0), (True,)))
    if is_grid(name):
        return _on(fit(pilot[None, :], name))
    if family == "cluster":
        levels = kmeans_line(pilot.astype(np.float32), k=int(amount))[1].astype(np.float64)[None, :]
        return _on(Grid(name, 0.5 * (levels[:, 1:] + levels[:, :-1]), levels))
    if family == "prune":
        share = float(amount)
        return HeadQuantizer(lambda weights: _pruned(weights, share), lambda refits: _pruning_cells(refits, share))
    raise ConfigError(f"quantizer {name!r} is not known", hint=f"known: {', '.join(QUANTIZERS)}")


def _on(grid: Grid) -> HeadQuantizer:
    return HeadQuantizer(grid.quantize, lambda _: Cells(grid.cuts[0], (False,) * grid.levels), grid)


def _pruned(weights: FloatArray, share: float) -> FloatArray:
    zeros = int(share * weights.shape[1])
    smallest = np.argsort(np.abs(weights), axis=1, kind="stable")[:, :zeros]
    pruned = weights.copy()
    np.put_along_axis(pruned, smallest, 0.0, axis=1)
    return pruned


def _pruning_cells(refits: FloatArray, share: float) -> Cells:
    """Each training has its own threshold, the least magnitude that it keeps; their mean stands for all."""
    smallest = np.sort(np.abs(refits), axis=1)[:, int(share * refits.shape[1])]
    threshold = float(smallest.mean())
    return Cells(np.array([-threshold, threshold]), (True, False, True))
