"""The codes that a quantizer gives a network's weights, and the levels next to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.compression._variant import Variant
from harness.compression.grids import Grid, fit
from harness.types import FloatArray

if TYPE_CHECKING:
    from torch import nn

__all__ = ["SIDES", "Codes", "codes_of"]

# (runtime, number format) -> levels on either side of zero, where the exporter's weights are known to have one scale
# an output channel, the largest weight over this. What is not listed here lays its codes out in some other way.
SIDES = {
    ("litert", "int8"): 127,
    ("litert", "int8-dynamic"): 127,
    ("litert", "int8-weights"): 127,
    ("litert", "int16x8"): 127,
    ("litert", "int4"): 7,
    ("executorch", "int8"): 127,
}
# ExecuTorch's quantizer gives no channel a smaller scale.
LEAST_SCALE = {"executorch": 2.0**-12}


@dataclass(frozen=True, eq=False)
class Codes:
    """One tensor's codes.

    Args:
        grid: the levels.
        codes: number of each weight's level, of the weights' shape.
        fixed: weights that must not move, because the levels hang on them.
    """

    grid: Grid
    codes: NDArray[np.int16]
    fixed: NDArray[np.bool_]

    @property
    def values(self) -> FloatArray:
        """The weights that the codes stand for."""
        return self.grid.decode(self.codes)

    def neighbours(self) -> tuple[FloatArray, FloatArray]:
        """The weights one level down and one level up; NaN where there is no such level or the weight is fixed."""
        return self._moved(-1), self._moved(1)

    def _moved(self, by: int) -> FloatArray:
        codes = self.codes + np.int16(by)
        valid = (codes >= 0) & (codes < self.grid.levels) & ~self.fixed
        return np.where(valid, self.grid.decode(np.where(valid, codes, self.codes)), np.nan)


def codes_of(model: nn.Module, quantizer: Variant, *, runtime: str) -> dict[str, Codes]:
    """Codes of every weight that a quantizer gives some.

    Args:
        model: batch norm folded.
        quantizer: a grid, or a number format with integer weights.
        runtime: whose number format it is.

    Returns:
        Parameter name -> codes.
    """
    from harness.compression._layers import weights_of

    found = {}
    for name, parameter in weights_of(model).items():
        weights = parameter.detach().numpy().astype(np.float64)
        if quantizer.family == "grid":
            grid = fit(weights, quantizer.name)
            found[name] = Codes(grid, grid.codes(weights), np.zeros(weights.shape, dtype=bool))
        elif not (quantizer.numerics == "int4" and _stays_float(model, name)):
            side, least = SIDES[runtime, quantizer.numerics], LEAST_SCALE.get(runtime, 0.0)
            found[name] = _symmetric(weights, quantizer.name, side=side, least=least)
    return found


def _symmetric(weights: FloatArray, name: str, *, side: int, least: float) -> Codes:
    rows = np.abs(weights.reshape(len(weights), -1))
    largest = rows.max(axis=1, keepdims=True)
    values = np.maximum(largest / side, least) * np.arange(-side, side + 1)
    grid = Grid(name, 0.5 * (values[:, 1:] + values[:, :-1]), values)
    return Codes(grid, grid.codes(weights), (rows == largest).reshape(weights.shape))


def _stays_float(model: nn.Module, name: str) -> bool:
    """Whether a layer becomes a depthwise convolution, which LiteRT has no 4-bit weights for."""
    layer: Any = model.get_submodule(name.rpartition(".")[0])
    groups = getattr(layer, "groups", None)
    return groups is not None and (int(groups) > 1 or layer.in_channels == 1)
