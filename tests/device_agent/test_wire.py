"""Batches that are written and read by hand: the same bytes and arrays as the generated code's."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from protos.edgeleak.v1 import agent_pb2
from protos.tensors import fill_tensor, from_tensor
from protos.wire import SEAL_BYTES, DamagedError, opened, pack_batch, read_batches, sealed

DTYPES = ("float32", "int32", "int64", "int8", "uint8")
ARRAYS = st.builds(
    lambda dtype, shape, seed: np.random.default_rng(seed).integers(0, 100, shape).astype(dtype),
    st.sampled_from(DTYPES),
    st.lists(st.integers(0, 4), max_size=3),
    st.integers(0, 5),
)
TENSORS = st.lists(st.tuples(st.text(max_size=5), ARRAYS), max_size=3)
BATCHES = st.lists(st.tuples(st.integers(0, 2**64 - 1), TENSORS), min_size=1, max_size=3)

Batches = list[tuple[int, list[tuple[str, NDArray[np.generic]]]]]


def generated(batches: Batches) -> agent_pb2.InvokeRequest:
    request = agent_pb2.InvokeRequest()
    for number, tensors in batches:
        batch = request.batches.add(number=number)
        for name, array in tensors:
            fill_tensor(batch.inputs.add(), name, array)
    return request


@given(BATCHES)
def test_written_batches_are_those_of_the_generated_code(batches: Batches) -> None:
    packed = [pack_batch(number, tensors) for number, tensors in batches]
    message = b"".join(piece for pieces, _ in packed for piece in pieces)
    assert len(message) == sum(size for _, size in packed)
    assert agent_pb2.InvokeRequest.FromString(bytes(message)) == generated(batches)


@given(BATCHES)
def test_batches_of_the_generated_code_are_read_in_place(batches: Batches) -> None:
    message = bytearray(generated(batches).SerializeToString())
    read = read_batches(message)
    assert [batch.number for batch in read] == [number for number, _ in batches]
    for batch, (_, tensors) in zip(read, batches, strict=True):
        assert [name for name, _ in batch.tensors] == [name for name, _ in tensors]
        for (_, array), (_, sent) in zip(batch.tensors, tensors, strict=True):
            assert array.dtype == sent.dtype
            np.testing.assert_array_equal(array, sent)
            assert not array.flags.writeable
            assert array.size == 0 or np.shares_memory(array, np.frombuffer(message, np.uint8))


@given(BATCHES)
def test_a_sealed_message_is_one_of_the_generated_code(batches: Batches) -> None:
    request = generated(batches)
    body = request.SerializeToString()
    request.crc32 = zlib.crc32(body)
    assert sealed([body]) == request.SerializeToString()
    assert opened(sealed([body])) == body


@given(BATCHES, st.data())
def test_a_flipped_bit_of_a_sealed_message_is_noticed(batches: Batches, data: st.DataObject) -> None:
    message = bytearray(sealed([generated(batches).SerializeToString()]))
    place = data.draw(st.integers(0, 8 * len(message) - 1))
    message[place // 8] ^= 1 << place % 8
    with pytest.raises(DamagedError, match="damaged on its way"):
        opened(message)


@pytest.mark.parametrize("message", [b"", b"\x7d", b"\x7d\0\0\0", b"no checksum here"])
def test_a_message_without_a_checksum_is_refused(message: bytes) -> None:
    with pytest.raises(DamagedError):
        opened(message)


@given(BATCHES, st.data())
def test_a_damaged_message_is_read_as_the_generated_code_reads_it_or_refused(
    batches: Batches, data: st.DataObject
) -> None:
    message = bytearray(generated(batches).SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        if message:
            place = data.draw(st.integers(0, len(message) - 1))
            message[place] = data.draw(st.integers(0, 255))
    message = message[: data.draw(st.integers(0, len(message)))]
    try:
        read = read_batches(message)
    except ValueError:
        return
    try:
        parsed = agent_pb2.InvokeRequest.FromString(bytes(message))
    except Exception:
        pytest.fail(f"read although the generated code refuses it: {bytes(message)!r}")
    assert [batch.number for batch in read] == [batch.number for batch in parsed.batches]
    for mine, theirs in zip(read, parsed.batches, strict=True):
        for (name, array), tensor in zip(mine.tensors, theirs.inputs, strict=True):
            assert name == tensor.name
            np.testing.assert_array_equal(array, from_tensor(tensor))


def test_a_header_among_batches_is_refused() -> None:
    request = generated([(0, [])])
    request.header.sha256s.append("0" * 64)
    with pytest.raises(ValueError, match="after the header come batches"):
        read_batches(request.SerializeToString())


def test_a_million_tensors_are_refused() -> None:
    tensor = agent_pb2.Tensor(data_type=agent_pb2.DATA_TYPE_INT8, shape=[0])
    request = agent_pb2.InvokeRequest(batches=[agent_pb2.Batch(inputs=[tensor] * 1_000_000)])
    with pytest.raises(ValueError, match="more than 1024 tensors"):
        read_batches(request.SerializeToString())


def test_float64_is_not_a_type_of_a_batch() -> None:
    with pytest.raises(ValueError, match="float32"):
        pack_batch(0, [("x", np.zeros(2))])


@given(st.binary(max_size=40), st.integers(0, 10_000), st.integers(0, 7))
def test_a_flipped_bit_is_noticed(body: bytes, place: int, bit: int) -> None:
    message = bytearray(sealed([body]))
    assert bytes(opened(message)) == body
    message[place % len(message)] ^= 1 << bit
    with pytest.raises(DamagedError):
        opened(message)


def test_the_checksum_is_a_field_of_the_contract() -> None:
    body = agent_pb2.InvokeRequest(header=agent_pb2.InvokeHeader(sha256s=["0" * 64])).SerializeToString()
    parsed = agent_pb2.InvokeRequest.FromString(sealed([body]))
    assert parsed.crc32 == zlib.crc32(body)
    with pytest.raises(DamagedError):
        opened(body)
    assert len(sealed([body])) == len(body) + SEAL_BYTES
