"""One constant tensor of an exported file, as stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.types import Array

__all__ = ["Stored", "unpack_int4"]


@dataclass(frozen=True, eq=False)
class Stored:
    """Stored numbers of a tensor with their number format.

    Args:
        name: the tensor's name in the file.
        values: the stored numbers in the tensor's shape; packed 4-bit numbers as int8.
        dtype: type of the stored numbers, ``int4`` for packed ones.
        scale: None for floats; else one number, or one for each index of ``axis``.
        zero_point: as ``scale``; None means 0.
        axis: axis of the scales.
    """

    name: str
    values: Array
    dtype: str
    scale: NDArray[np.float32] | None = None
    zero_point: NDArray[np.int64] | None = None
    axis: int = 0

    @property
    def bits(self) -> int:
        """Width of one stored number, in bits."""
        return int("".join(filter(str.isdigit, self.dtype)))

    def zeros(self) -> NDArray[np.bool_]:
        """Where the stored number means zero."""
        return np.asarray(self.values == self._along(self.zero_point, 0))

    def dequantized(self) -> NDArray[np.float32]:
        """The values of the stored numbers, float32."""
        shifted = self.values.astype(np.float32) - self._along(self.zero_point, 0).astype(np.float32)
        return shifted * self._along(self.scale, 1).astype(np.float32)

    def _along(self, per_channel: Array | None, default: int) -> Array:
        if per_channel is None or per_channel.size == 0:
            return np.asarray(default)
        shape = [1] * self.values.ndim
        shape[self.axis] = per_channel.size
        return per_channel.reshape(shape) if per_channel.size > 1 else per_channel.reshape(())


def unpack_int4(data: NDArray[np.uint8], count: int, *, offset: int = 0) -> NDArray[np.int8]:
    """Unpack two 4-bit numbers per byte, the low half first.

    Args:
        data: the packed bytes.
        count: number of numbers to return.
        offset: subtracted from unsigned halves; 0 means two's complement.
    """
    halves = np.stack((data & 0xF, data >> 4), axis=-1).reshape(-1)[:count].astype(np.int8)
    if offset:
        return np.asarray(halves - np.int8(offset))
    return np.asarray(((halves + 8) & 0xF) - 8, dtype=np.int8)
