"""Reads weights from the bytes of a LiteRT file (flatbuffer ``TFL3``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from harness.export._sparse_tflite import densified
from harness.export._stored import Stored, unpack_int4
from harness.packages import require
from harness.types import Array

__all__ = ["read"]

MAGIC = b"TFL3"
# TensorType of the schema -> numpy; 4-bit numbers are unpacked separately.
DTYPES = {0: np.float32, 1: np.float16, 9: np.int8, 3: np.uint8, 7: np.int16}
INT4 = 17


def read(content: bytes) -> list[Stored]:
    """Constants of two or more dimensions, in the order in which operators use them.

    Raises:
        ValueError: the bytes are not a LiteRT file.
    """
    if content[4:8] != MAGIC:
        raise ValueError(f"its magic is {content[4:8]!r}, not {MAGIC!r}")
    require("ai_edge_litert", extra="litert")
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    weights: dict[tuple[int, int], Stored] = {}
    for number, graph in enumerate(model.subgraphs):
        for index in _used(graph):
            stored = _constant(graph.tensors[index], model.buffers, content)
            if stored is not None:
                weights.setdefault((number, index), stored)
    return list(weights.values())


def _used(graph: Any) -> Iterator[int]:
    for operator in graph.operators:
        for index in operator.inputs if operator.inputs is not None else ():
            if index >= 0:
                yield int(index)


def _constant(tensor: Any, buffers: Any, content: bytes) -> Stored | None:
    shape = tuple(int(d) for d in tensor.shape) if tensor.shape is not None else ()
    if len(shape) < 2 or tensor.type not in (*DTYPES, INT4):
        return None
    data = _bytes_of(buffers[tensor.buffer], content)
    if data is None:
        return None
    count = int(np.prod(shape))
    values: Array
    if tensor.type == INT4:
        values, dtype = unpack_int4(data, count), "int4"
    elif tensor.sparsity is not None:
        values = densified(np.frombuffer(data.tobytes(), dtype=DTYPES[tensor.type]), tensor.sparsity, shape)
        dtype = values.dtype.name
    else:
        values = np.frombuffer(data.tobytes(), dtype=DTYPES[tensor.type], count=count)
        dtype = values.dtype.name
    name = tensor.name.decode(errors="replace")
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None:
        return Stored(name, values.reshape(shape), dtype)
    zero_point = None if quantization.zeroPoint is None else np.asarray(quantization.zeroPoint, dtype=np.int64)
    scale = np.asarray(quantization.scale, dtype=np.float32)
    return Stored(name, values.reshape(shape), dtype, scale, zero_point, int(quantization.quantizedDimension))


def _bytes_of(buffer: Any, content: bytes) -> Any:
    """The buffer's bytes: inline, or behind the flatbuffer in files over 2 GiB; None for a computed tensor."""
    if buffer.data is not None and len(buffer.data):
        return np.asarray(buffer.data, dtype=np.uint8)
    if buffer.offset > 1:
        return np.frombuffer(content, dtype=np.uint8, count=buffer.size, offset=buffer.offset)
    return None
