"""Weights of a linear head through a quantizer whose levels were calibrated once, on a pilot's weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.compression._kmeans import kmeans_line
from harness.compression.grids import Grid, fit, is_grid
from harness.errors import ConfigError
from harness.mis import Cells
from harness.types import FloatArray
from studies._shared import GRIDS

__all__ = ["FINITE", "FLOAT", "QUANTIZERS", "HeadQuantizer", "bits", "coded_bits", "quantizers"]

FLOAT = "float"
# Finitely many codes. `uniform-B-channel` is left out: a head of one output has one channel.
FINITE = (*GRIDS, "cluster-4", "cluster-16")
QUANTIZERS = (*FINITE, "prune-0.5", "prune-0.9", FLOAT)
# Of a weight that is not quantized.
FLOAT_BITS = 32.0


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


def bits(name: str) -> float:
    """Bits per weight by name alone: ``log2`` of the levels, however rarely one is used; 32 a weight that is kept.

    Both ternaries have 1.58, a cluster the logarithm of its number, and pruning 32 times the share that it keeps.
    """
    family, _, amount = name.partition("-")
    if family == "prune":
        return FLOAT_BITS * (1.0 - float(amount))
    by_family = {FLOAT: FLOAT_BITS, "sign": 1.0, "ternary": math.log2(3.0)}
    if family in by_family:
        return by_family[family]
    return float(amount) if family == "uniform" else math.log2(int(amount))


def coded_bits(name: str) -> float:
    """Bits per weight after ideal coding of the zeros, by name alone: a second order that looks at no data.

    A ternary's and a pruned weight's zeros have the share that the name says; all other levels count as equally often.
    """
    family, _, amount = name.partition("-")
    if family not in ("ternary", "prune"):
        return bits(name)
    zeros = float(amount)
    coded = -zeros * math.log2(zeros) - (1.0 - zeros) * math.log2(1.0 - zeros)
    return coded + (1.0 - zeros) * (1.0 if family == "ternary" else FLOAT_BITS)


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
