"""Batches on the wire without a copy too many: written in one piece, read in place.

A batch is a few hundred kilobytes of tensor data behind a few dozen bytes of fields. The generated code copies the
data three times on its way into a message and once more on its way out; here it is joined once, and read where it lies.
The bytes are those of `InvokeRequest` as ``agent.proto`` has it, and a test holds them against the generated code.

Every message of a stream ends with a checksum of its bytes: TCP's own is weak, adapters and forwarded ports compute it
anew, and a flipped bit in a record, an answer or a time looks like any other value.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protos.edgeleak.v1 import agent_pb2
from protos.tensors import array_of, tensor_head
from protos.varints import read_varint, varint

__all__ = ["SEAL_BYTES", "DamagedError", "Piece", "WireBatch", "opened", "pack_batch", "read_batches", "sealed"]

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_BATCHES = agent_pb2.InvokeRequest.BATCHES_FIELD_NUMBER
_HEADER = agent_pb2.InvokeRequest.HEADER_FIELD_NUMBER
_NUMBER = agent_pb2.Batch.NUMBER_FIELD_NUMBER
_INPUTS = agent_pb2.Batch.INPUTS_FIELD_NUMBER
_DATA = agent_pb2.Tensor.DATA_FIELD_NUMBER
# Far more than any model has inputs, and small enough that a hostile message costs little.
_TENSORS_MAX = 1024

# The last field of a message in both directions: its tag, and the checksum of what stands before.
_SEAL = struct.Struct("<BI")
_SEAL_TAG = agent_pb2.InvokeRequest.CRC32_FIELD_NUMBER << 3 | _FIXED32
SEAL_BYTES = _SEAL.size

Piece = bytes | memoryview


class DamagedError(Exception):
    """A message did not come as it was sent."""


@dataclass(frozen=True)
class WireBatch:
    """One batch as it came.

    Args:
        number: its own.
        tensors: name and array of each input; the arrays are read-only views of the message.
    """

    number: int
    tensors: list[tuple[str, NDArray[np.generic]]]


def pack_batch(number: int, tensors: Sequence[tuple[str, NDArray[np.generic]]]) -> tuple[list[Piece], int]:
    """The pieces of one batch in an `InvokeRequest`, and their size in bytes; `sealed` makes a message of them.

    Raises:
        ValueError: the contract has no such dtype.
    """
    pieces: list[Piece] = []
    size = 0
    if number:
        pieces.append(_tag(_NUMBER, _VARINT) + varint(number))
        size = len(pieces[0])
    for name, array in tensors:
        head, data = tensor_head(name, array)
        data_field = _tag(_DATA, _LENGTH) + varint(data.nbytes) if data.nbytes else b""
        inside = len(head) + len(data_field) + data.nbytes
        start = _tag(_INPUTS, _LENGTH) + varint(inside) + head + data_field
        pieces.append(start)
        size += len(start) + data.nbytes
        if data.nbytes:
            pieces.append(data)
    outer = _tag(_BATCHES, _LENGTH) + varint(size)
    return [outer, *pieces], size + len(outer)


def sealed(pieces: Iterable[Piece]) -> bytes:
    """One message of these pieces and their checksum: the only copy that is made of a batch's data."""
    body = list(pieces)
    checksum = 0
    for piece in body:
        checksum = zlib.crc32(piece, checksum)
    return b"".join([*body, _SEAL.pack(_SEAL_TAG, checksum)])


def opened(message: bytes | bytearray) -> memoryview:
    """A message without its checksum, in place.

    Raises:
        DamagedError: the checksum is missing or of other bytes.
    """
    whole = memoryview(message).toreadonly()
    body = whole[:-SEAL_BYTES]
    if len(whole) < SEAL_BYTES or _SEAL.unpack(whole[-SEAL_BYTES:]) != (_SEAL_TAG, zlib.crc32(body)):
        raise DamagedError("a message was damaged on its way: its checksum is of other bytes")
    return body


def read_batches(message: bytes | bytearray | memoryview) -> list[WireBatch]:
    """The batches of one message without its checksum; their tensors share its memory.

    Raises:
        ValueError: the message is malformed, carries a header or no batch.
    """
    whole = memoryview(message).toreadonly()
    batches = []
    for number, kind, value in _fields(whole):
        if number == _HEADER or number != _BATCHES or kind != _LENGTH:
            raise ValueError("after the header come batches")
        batches.append(_read_batch(_slice(value)))
    if not batches:
        raise ValueError("after the header come batches")
    return batches


def _read_batch(view: memoryview) -> WireBatch:
    batch_number = 0
    tensors: list[tuple[str, NDArray[np.generic]]] = []
    for number, kind, value in _fields(view):
        if number == _NUMBER and kind == _VARINT:
            assert isinstance(value, int), "a varint is a number"  # noqa: S101
            batch_number = value
        elif number == _INPUTS and kind == _LENGTH:
            if len(tensors) == _TENSORS_MAX:
                raise ValueError(f"a batch has more than {_TENSORS_MAX} tensors")
            tensors.append(_read_tensor(_slice(value)))
    return WireBatch(batch_number, tensors)


def _read_tensor(view: memoryview) -> tuple[str, NDArray[np.generic]]:
    """All but the data through the generated code, which knows every form that a small field may have."""
    small = bytearray()
    data = view[:0]
    start = 0
    for number, kind, value, begin, end in _places(view):
        if number == _DATA and kind == _LENGTH:
            small += view[start:begin]
            start, data = end, _slice(value)
    small += view[start:]
    try:
        tensor = agent_pb2.Tensor.FromString(bytes(small))
    except Exception as error:
        raise ValueError("a tensor is malformed") from error
    return tensor.name, array_of(tensor, data)


def _fields(view: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    for number, kind, value, _, _ in _places(view):
        yield number, kind, value


def _places(view: memoryview) -> Iterator[tuple[int, int, int | memoryview, int, int]]:
    """Every field of a message: number, wire type, value, and where it begins and ends."""
    at, end = 0, len(view)
    while at < end:
        begin = at
        key, at = read_varint(view, at)
        number, kind = key >> 3, key & 7
        value: int | memoryview
        if number == 0:
            raise ValueError("a field has the number 0")
        if kind == _VARINT:
            value, at = read_varint(view, at)
        else:
            if kind == _LENGTH:
                size, at = read_varint(view, at)
            elif kind in (_FIXED64, _FIXED32):
                size = 8 if kind == _FIXED64 else 4
            else:
                raise ValueError(f"a field has wire type {kind}")
            if size > end - at:
                raise ValueError("the message is cut off")
            value = view[at : at + size]
            at += size
        yield number, kind, value, begin, at


def _slice(value: int | memoryview) -> memoryview:
    assert isinstance(value, memoryview), "a field of wire type 2 holds bytes"  # noqa: S101
    return value


def _tag(number: int, kind: int) -> bytes:
    return varint(number << 3 | kind)
