"""Reads weights from the bytes of a PyTorch Mobile archive; its pickle is parsed and never run."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from harness.export._pickled import Call, Instance, Name, Reference, parsed
from harness.export._stored import Stored
from harness.types import Array

__all__ = ["read"]

# torch's storages -> numpy; quantized storages hold integers.
DTYPES = {
    "torch FloatStorage": np.float32,
    "torch DoubleStorage": np.float64,
    "torch HalfStorage": np.float16,
    "torch LongStorage": np.int64,
    "torch IntStorage": np.int32,
    "torch ShortStorage": np.int16,
    "torch CharStorage": np.int8,
    "torch ByteStorage": np.uint8,
    "torch BoolStorage": np.bool_,
    "torch QInt8Storage": np.int8,
    "torch QUInt8Storage": np.uint8,
}
TENSOR = Name("torch._utils _rebuild_tensor_v2")
QUANTIZED = Name("torch._utils _rebuild_qtensor")
# Types of unquantized weights: integers without a scale are positions and masks.
FLOATS = (np.float32, np.float64, np.float16)


def read(content: bytes) -> list[Stored]:
    """Tensors of two or more dimensions, by the names of their modules, in the modules' order.

    Raises:
        ValueError: the bytes are not an archive of the lite interpreter.
    """
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            names = archive.namelist()
            root = names[0].partition("/")[0]
            if f"{root}/bytecode.pkl" not in names:
                raise ValueError("it has no bytecode for the lite interpreter")
            members = {name.removeprefix(f"{root}/"): archive.read(name) for name in names}
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError) as error:
        raise ValueError(str(error)) from error
    weights = {}
    for name, call in _tensors(parsed(members["data.pkl"]), ""):
        stored = _stored(name, call, members)
        if stored is not None:
            weights[name] = stored
    return list(weights.values())


def _tensors(value: Any, name: str) -> Iterator[tuple[str, Call]]:
    """Every tensor below a value with its path; a packed layer is a tuple with one quantized tensor, its weight."""
    if isinstance(value, Call):
        if value.function in (TENSOR, QUANTIZED):
            yield name, value
    elif isinstance(value, Instance):
        yield from _tensors(value.state, name)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _tensors(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, (tuple, list)):
        layer = name.replace("._packed_params", "")
        for number, item in enumerate(value):
            packed = isinstance(item, Call) and item.function == QUANTIZED
            yield from _tensors(item, f"{layer}.weight" if packed else f"{layer}.{number}")


def _stored(name: str, call: Call, members: Mapping[str, bytes]) -> Stored | None:
    values = _values(call.arguments, members)
    if values.ndim < 2:
        return None
    if call.function == TENSOR:
        return Stored(name, values, values.dtype.name) if values.dtype.type in FLOATS else None
    kind, scale, zero_point, *axis = call.arguments[4]
    if isinstance(scale, Call):
        scales, zeros = (_values(c.arguments, members) for c in (scale, zero_point))
    else:
        scales, zeros = np.asarray([scale]), np.asarray([zero_point])
    per_channel = kind.name.startswith("torch per_channel")
    return Stored(
        name,
        values,
        values.dtype.name,
        scales.astype(np.float32),
        zeros.astype(np.int64),
        int(axis[0]) if per_channel else 0,
    )


def _values(arguments: Any, members: Mapping[str, bytes]) -> Array:
    """The numbers of one tensor: a view of its storage."""
    storage, offset, shape, strides = arguments[:4]
    if not isinstance(storage, Reference):
        raise ValueError("a tensor has no storage")
    _, kind, key, *_ = storage.what
    whole: Array = np.frombuffer(members[f"data/{key}"], dtype=DTYPES[kind.name])
    if any(axis < 0 for axis in (offset, *shape, *strides)):
        raise ValueError("a tensor has a negative size")
    last = offset + sum((axis - 1) * stride for axis, stride in zip(shape, strides, strict=True))
    if 0 in shape or last >= len(whole):
        raise ValueError(f"a tensor reaches beyond its storage of {len(whole)} numbers")
    steps = [stride * whole.itemsize for stride in strides]
    return np.ascontiguousarray(as_strided(whole[offset:], shape, steps, writeable=False))
