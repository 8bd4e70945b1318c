"""ExecuTorch's scalar types by their number in a file."""

from __future__ import annotations

__all__ = ["SCALAR_TYPES"]

SCALAR_TYPES = {
    0: "uint8",
    1: "int8",
    2: "int16",
    3: "int32",
    4: "int64",
    5: "float16",
    6: "float32",
    7: "float64",
    11: "bool",
}
