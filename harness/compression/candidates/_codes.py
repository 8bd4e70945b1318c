"""The codes of a quantized network's weights, and the neighbouring levels."""

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
# per output channel: the largest weight divided by this. Other pairs have other codes.
SIDES = {
    ("litert", "int8"): 127,
    ("litert", "int8-dynamic"): 127,
    ("litert", "int8-weights"): 127,
    ("litert", "int16x8"): 127,
    ("litert", "int4"): 7,
    ("executorch", "int8"): 127,
}
# The smallest scale of a channel in ExecuTorch's quantizer.
LEAST_SCALE = {"executorch": 2.0**-12}


@dataclass(frozen=True, eq=False)
class Codes:
    """One tensor's codes.

    Args:
        grid: the levels.
        codes: index of each weight's level, of the weights' shape.
        fixed: weights that must not change, because the levels depend on them.
    """

    grid: Grid
    codes: NDArray[np.int16]
    fixed: NDArray[np.bool_]

    @property
    def values(self) -> FloatArray:
        """The weights of the codes."""
        return self.grid.decode(self.codes)

    def neighbours(self) -> tuple[FloatArray, FloatArray]:
        """The weights one level down and one level up; NaN where there is no such level or the weight is fixed."""
        return self._shifted(-1), self._shifted(1)

    def _shifted(self, by: int) -> FloatArray:
        codes = self.codes + np.int16(by)
        valid = (codes >= 0) & (codes < self.grid.levels) & ~self.fixed
        return np.where(valid, self.grid.decode(np.where(valid, codes, self.codes)), np.nan)


def codes_of(model: nn.Module, quantizer: Variant, *, runtime: str) -> dict[str, Codes]:
    """Codes of every weight that the quantizer quantizes.

    Args:
        model: batch norm folded.
        quantizer: a grid, or a number format with integer weights.
        runtime: the runtime of the number format.

    Returns:
        Parameter name -> codes.
    """
    from harness.compression._layers import weights_of

    codes = {}
    for name, parameter in weights_of(model).items():
        weights = parameter.detach().numpy().astype(np.float64)
        if quantizer.family == "grid":
            grid = fit(weights, quantizer.name)
            codes[name] = Codes(grid, grid.codes(weights), np.zeros(weights.shape, dtype=bool))
        elif not (quantizer.numerics == "int4" and _stays_float(model, name)):
            side, least = SIDES[runtime, quantizer.numerics], LEAST_SCALE.get(runtime, 0.0)
            codes[name] = _symmetric(weights, quantizer.name, side=side, least=least)
    return codes


def _symmetric(weights: FloatArray, name: str, *, side: int, least: float) -> Codes:
    rows = np.abs(weights.reshape(len(weights), -1))
    largest = rows.max(axis=1, keepdims=True)
    values = np.maximum(largest / side, least) * np.arange(-side, side + 1)
    grid = Grid(name, 0.5 * (values[:, 1:] + values[:, :-1]), values)
    return Codes(grid, grid.codes(weights), (rows == largest).reshape(weights.shape))


def _stays_float(model: nn.Module, name: str) -> bool:
    """Whether a layer becomes a depthwise convolution, for which LiteRT has no 4-bit weights."""
    layer: Any = model.get_submodule(name.rpartition(".")[0])
    groups = getattr(layer, "groups", None)
    return groups is not None and (int(groups) > 1 or layer.in_channels == 1)
