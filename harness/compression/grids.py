"""Low-bit grids for weights: sign, ternary and uniform. Arrays in, arrays out; no torch.

A grid is fitted once, as a deployment calibrates its levels, and then maps any weights to codes, so that candidates of
one quantizer can share their levels and differ in codes alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import ConfigError, InputError
from harness.types import FloatArray

__all__ = ["FORMS", "Grid", "fit", "is_grid"]

FORMS = ("sign", "ternary-<share of zeros, e.g. 0.9>", "uniform-<bits>", "uniform-<bits>-channel")
MAX_BITS = 8
_PATTERN = re.compile(r"sign|ternary-(0\.\d+)|uniform-([1-9])(-channel)?")

Codes = NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Grid:
    """The levels of one quantizer, fitted to one tensor.

    Args:
        name: as in :data:`FORMS`.
        cuts: ascending boundaries between the levels, ``[groups, levels - 1]``; a weight on one has the level above.
        values: the levels, ascending, ``[groups, levels]``. One group for the tensor, or one per output channel.
    """

    name: str
    cuts: FloatArray
    values: FloatArray

    @property
    def levels(self) -> int:
        """Number of levels per group."""
        return int(self.values.shape[1])

    def codes(self, weights: FloatArray) -> Codes:
        """Index of each weight's level, of the weights' shape ``[channels, ...]``."""
        rows = weights.reshape(len(self.cuts), -1)
        codes = [np.searchsorted(cuts, row, side="right") for cuts, row in zip(self.cuts, rows, strict=True)]
        return np.stack(codes).astype(np.int16).reshape(weights.shape)

    def decode(self, codes: Codes) -> FloatArray:
        """The weights of these codes."""
        rows = codes.reshape(len(self.values), -1)
        weights: FloatArray = np.take_along_axis(self.values, rows.astype(np.int64), axis=1).reshape(codes.shape)
        return weights

    def quantize(self, weights: FloatArray) -> FloatArray:
        """The weights rounded to the grid."""
        return self.decode(self.codes(weights))


def is_grid(name: str) -> bool:
    """Whether a name is that of a grid."""
    match = _PATTERN.fullmatch(name)
    if match is None:
        return False
    return (match[1] is None or float(match[1]) > 0) and (match[2] is None or int(match[2]) <= MAX_BITS)


def fit(weights: FloatArray, name: str) -> Grid:
    """Fit a grid to a tensor's weights.

    ``sign``: plus and minus the mean magnitude (XNOR-Net). ``ternary-S``: the share S of least magnitude becomes zero,
    the rest plus and minus its mean magnitude ("1.58 bits"). ``uniform-B``: 2^B levels at equal steps from the smallest
    to the largest weight, of the tensor or of each output channel.

    Args:
        weights: ``[channels, ...]``.
        name: see :data:`FORMS`.

    Raises:
        ConfigError: the name is not known.
        InputError: there are no weights, or some are not finite.
    """
    match = _PATTERN.fullmatch(name)
    if match is None or not is_grid(name):
        raise ConfigError(f"grid {name!r} is not known", hint=f"one of: {', '.join(FORMS)}")
    if weights.size == 0 or not np.isfinite(weights).all():
        raise InputError(f"grid {name}: the weights are empty or not finite", hint="check the trained model")
    rows = weights.reshape(len(weights) if match[3] else 1, -1).astype(np.float64)
    if match[2]:
        return _uniform(rows, name, levels=2 ** int(match[2]))
    sizes = np.abs(rows)
    if match[1] is None:
        size = float(sizes.mean())
        return Grid(name, np.zeros((1, 1)), np.array([[-size, size]]))
    ordered = np.sort(sizes, axis=None)
    zeros = min(int(float(match[1]) * ordered.size), ordered.size - 1)
    # Halfway to the first weight that stays, so that refitted or neighbouring weights do not lie on the cut.
    cut = 0.5 * (ordered[max(zeros - 1, 0)] + ordered[zeros]) if zeros else 0.0
    size = float(ordered[zeros:].mean())
    return Grid(name, np.array([[-cut, cut]]), np.array([[-size, 0.0, size]]))


def _uniform(rows: FloatArray, name: str, *, levels: int) -> Grid:
    low, high = rows.min(axis=1, keepdims=True), rows.max(axis=1, keepdims=True)
    values = low + (high - low) * np.linspace(0.0, 1.0, levels)
    return Grid(name, 0.5 * (values[:, 1:] + values[:, :-1]), values)
