"""Tensors between numpy and the wire: the one place where a dtype becomes a `DataType` and back."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from protos.edgeleak.v1 import agent_pb2

__all__ = ["array_of", "data_type_of", "fill_tensor", "from_tensor", "name_of", "tensor_head"]

# The wire is little-endian whatever the machine is.
_DTYPES: dict[agent_pb2.DataType, np.dtype[np.generic]] = {
    agent_pb2.DATA_TYPE_FLOAT32: np.dtype("<f4"),
    agent_pb2.DATA_TYPE_INT32: np.dtype("<i4"),
    agent_pb2.DATA_TYPE_INT64: np.dtype("<i8"),
    agent_pb2.DATA_TYPE_INT8: np.dtype("i1"),
    agent_pb2.DATA_TYPE_UINT8: np.dtype("u1"),
}
_DATA_TYPES = {dtype: data_type for data_type, dtype in _DTYPES.items()}
# By numpy's names. Files take and give more types than a batch carries: the agent casts.
_NAMES: dict[agent_pb2.DataType, str] = {
    **{data_type: dtype.name for data_type, dtype in _DTYPES.items()},
    agent_pb2.DATA_TYPE_FLOAT16: "float16",
    agent_pb2.DATA_TYPE_FLOAT64: "float64",
    agent_pb2.DATA_TYPE_INT16: "int16",
    agent_pb2.DATA_TYPE_BOOL: "bool",
}


def data_type_of(dtype: np.dtype[np.generic]) -> agent_pb2.DataType:
    """The contract's name of an element type in a description; unspecified where it has none."""
    return next((known for known, name in _NAMES.items() if name == dtype.name), agent_pb2.DATA_TYPE_UNSPECIFIED)


def name_of(data_type: agent_pb2.DataType) -> str:
    """numpy's name of an element type in a description; empty where it is unspecified or not known to this side."""
    return _NAMES.get(data_type, "")


def fill_tensor(tensor: agent_pb2.Tensor, name: str, array: NDArray[np.generic]) -> None:
    """Pack an array into a tensor where it stands: building it elsewhere would copy a batch once more.

    Raises:
        ValueError: the contract has no such dtype.
    """
    data_type = _required(name, array.dtype)
    tensor.name = name
    tensor.data_type = data_type
    tensor.shape.extend(array.shape)
    tensor.data = array.astype(_DTYPES[data_type], copy=False).tobytes()


def tensor_head(name: str, array: NDArray[np.generic]) -> tuple[bytes, memoryview]:
    """A serialised tensor without its data, and the data as bytes in place: the two make a tensor when joined.

    Raises:
        ValueError: the contract has no such dtype.
    """
    data_type = _required(name, array.dtype)
    head = agent_pb2.Tensor(name=name, data_type=data_type, shape=array.shape).SerializeToString()
    values = np.ascontiguousarray(array, dtype=_DTYPES[data_type])
    return head, values.reshape(-1).view(np.uint8).data


def from_tensor(tensor: agent_pb2.Tensor) -> NDArray[np.generic]:
    """Unpack a tensor into a read-only array that shares the message's bytes.

    Raises:
        ValueError: unknown dtype, a negative axis, or a number of bytes that does not fit dtype and shape.
    """
    return array_of(tensor, tensor.data)


def array_of(tensor: agent_pb2.Tensor, data: bytes | memoryview) -> NDArray[np.generic]:
    """The array that a tensor describes over bytes that lie elsewhere.

    Raises:
        ValueError: as `from_tensor`.
    """
    dtype = _DTYPES.get(tensor.data_type)
    if dtype is None:
        raise ValueError(f"tensor {tensor.name!r} has data type {tensor.data_type}, which a batch cannot carry")
    shape = tuple(tensor.shape)
    if any(axis < 0 for axis in shape) or len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"tensor {tensor.name!r} holds {len(data)} bytes, not those of {dtype.name} {list(shape)}")
    return np.frombuffer(data, dtype=dtype).reshape(shape)


def _required(name: str, dtype: np.dtype[np.generic]) -> agent_pb2.DataType:
    data_type = _DATA_TYPES.get(dtype.newbyteorder("<"))
    if data_type is None:
        known = ", ".join(known.name for known in _DATA_TYPES)
        raise ValueError(f"tensor {name!r} is {dtype}; the contract carries {known}")
    return data_type
