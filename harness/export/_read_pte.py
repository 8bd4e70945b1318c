"""Reads weights from the bytes of an ExecuTorch program: XNNPACK's payloads and the constants outside them."""

from __future__ import annotations

import json
import re
import struct
import tempfile
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.export._stored import Stored, unpack_int4
from harness.packages import require
from harness.silence import silence
from harness.types import Array

__all__ = ["read"]

BACKEND = "XnnpackBackend"
# Header of an XNNPACK payload: 4 bytes of padding, the magic, its length, then offset and size of the flatbuffer and
# offset and size of the constants, little-endian.
HEADER = struct.Struct("<4x4sHIIIQ")
HEADER_MAGIC = b"XH00"
# XNNPACK's element types -> numpy; 4-bit numbers are unpacked separately.
DTYPES = {
    "xnn_datatype_fp32": np.float32,
    "xnn_datatype_fp16": np.float16,
    "xnn_datatype_qint8": np.int8,
    "xnn_datatype_qcint8": np.int8,
    "xnn_datatype_quint8": np.uint8,
}
INT4 = ("xnn_datatype_qcint4", "xnn_datatype_qbint4")
# XNNPACK stores 4-bit numbers shifted by 8.
INT4_OFFSET = 8
# ExecuTorch's scalar types of constants outside backends.
SCALARS = {0: np.uint8, 1: np.int8, 5: np.float16, 6: np.float32}

Bytes = NDArray[np.uint8]


def read(content: bytes) -> list[Stored]:
    """Constants of two or more dimensions, XNNPACK's first, in the order of the program.

    Raises:
        ValueError: the bytes are not an ExecuTorch program.
    """
    if not re.fullmatch(rb"ET\d\d", content[4:8]):
        raise ValueError(f"its magic is {content[4:8]!r}, not ET and two digits")
    require("executorch")
    with silence():
        from executorch.exir._serialize._program import deserialize_pte_binary

        file = deserialize_pte_binary(content)
    named = {}
    if file.named_data is not None:
        buffers = file.named_data.buffers
        named = {key: bytes(buffers[entry.buffer_index]) for key, entry in file.named_data.pte_data.items()}
    weights: list[Stored] = []
    for plan in file.program.execution_plan:
        for number, delegate in enumerate(plan.delegates):
            if delegate.id == BACKEND:
                payload = bytes(file.program.backend_delegate_data[delegate.processed.index].data)
                weights += _payload(payload, named, prefix=f"xnnpack-{number}")
        weights += _undelegated(plan, file.program.constant_buffer)
    return weights


def _payload(payload: bytes, named: Mapping[str, bytes], *, prefix: str) -> Iterator[Stored]:
    magic, _, start, size, constants, _ = HEADER.unpack_from(payload)
    if magic != HEADER_MAGIC:
        raise ValueError(f"an XNNPACK payload has the magic {magic!r}, not {HEADER_MAGIC!r}")
    graph = _graph(payload[start : start + size])

    def constant(index: int) -> Bytes:
        entry = graph["constant_data"][index]
        if entry["named_key"]:
            return np.frombuffer(named[entry["named_key"]], dtype=np.uint8)
        return np.frombuffer(payload, dtype=np.uint8, count=entry["size"], offset=constants + entry["offset"])

    for value in graph["xvalues"]:
        union = value["xvalue_union"]
        tensor = union.get("tensor_value", union)
        if not tensor["constant_buffer_idx"] or tensor["num_dims"] < 2:
            continue
        shape = tuple(tensor["dims"])
        count, data, kind = int(np.prod(shape)), constant(tensor["constant_buffer_idx"]), tensor["datatype"]
        name = f"{prefix}/value-{tensor['id_out']}"
        if kind in INT4:
            values: Array = unpack_int4(data, count, offset=INT4_OFFSET)
            yield Stored(name, values.reshape(shape), "int4")
        elif kind in DTYPES:
            values = np.frombuffer(data.tobytes(), dtype=DTYPES[kind], count=count).reshape(shape)
            scale, axis = _scale(union, constant)
            yield Stored(name, values, values.dtype.name, scale, None, axis)


def _scale(union: Mapping[str, Any], constant: Any) -> tuple[NDArray[np.float32] | None, int]:
    if union.get("quant_params_type") != "PerChannelQuant":
        return None, 0
    parameters = union["quant_params"]
    axis = int(parameters["channel_dim"])
    if parameters["scale_buffer_idx"]:
        data = constant(parameters["scale_buffer_idx"])
        return np.frombuffer(data.tobytes(), dtype=np.float32, count=parameters["num_scales"]), axis
    return np.asarray(parameters["scale"], dtype=np.float32), axis


def _graph(content: bytes) -> Any:
    """XNNPACK's flatbuffer as JSON, by the compiler and the schema that ExecuTorch ships."""
    from executorch.backends.xnnpack import serialization
    from executorch.exir._serialize._flatbuffer import _flatc_decompile

    with tempfile.TemporaryDirectory(prefix="edgeleak-") as folder:
        schema, binary = Path(folder, "schema.fbs"), Path(folder, "graph.bin")
        schema.write_bytes(resources.files(serialization).joinpath("schema.fbs").read_bytes())
        binary.write_bytes(content)
        with silence():  # flatc prints its manual for bytes that it cannot read
            _flatc_decompile(folder, str(schema), str(binary), ["--raw-binary"])
        text = Path(folder, "graph.json").read_text()
    # flatc writes infinity, e.g. ReLU's upper bound, as "inf", which is not JSON.
    return json.loads(re.sub(r"(?<=[:\[,] )(-?)inf\b", r"\1Infinity", text))


def _undelegated(plan: Any, buffers: Any) -> Iterator[Stored]:
    for number, value in enumerate(plan.values):
        tensor = value.val
        if type(tensor).__name__ != "Tensor" or not tensor.data_buffer_idx or tensor.allocation_info is not None:
            continue
        shape = tuple(tensor.sizes)
        dtype = SCALARS.get(int(tensor.scalar_type))
        if len(shape) < 2 or dtype is None:
            continue
        data = bytes(buffers[tensor.data_buffer_idx].storage)
        values = np.frombuffer(data, dtype=dtype, count=int(np.prod(shape))).reshape(shape)
        yield Stored(f"value-{number}", values, values.dtype.name)
