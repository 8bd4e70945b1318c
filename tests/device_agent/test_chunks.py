"""The messages of an upload are those of the generated code."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from protos.chunks import chunk_message, header_message, read_part
from protos.edgeleak.v1 import agent_pb2

HEADER = agent_pb2.UploadHeader(sha256="a" * 64, size_bytes=2**40, runtime=agent_pb2.RUNTIME_ONNX, offset_bytes=7)


@settings(deadline=None)
@given(size=st.one_of(st.integers(0, 300), st.sampled_from([16_383, 16_384, 1_048_576, 2_097_152])))
def test_a_chunk_is_written_and_read_as_the_generated_code_does(size: int) -> None:
    chunk = bytes(size)
    message = chunk_message(chunk)
    assert message == agent_pb2.UploadArtifactRequest(chunk=chunk).SerializeToString()
    assert read_part(message) == chunk


def test_a_header_is_read_back() -> None:
    assert read_part(header_message(HEADER)) == HEADER


@given(st.binary(max_size=40))
def test_any_bytes_are_read_as_the_generated_code_reads_them(message: bytes) -> None:
    try:
        request = agent_pb2.UploadArtifactRequest.FromString(message)
    except DecodeError:
        with pytest.raises(DecodeError):
            read_part(message)
        return
    part = request.WhichOneof("part")
    assert read_part(message) == (getattr(request, part) if part else None)


@given(chunk=st.binary(max_size=20), other=st.sampled_from([b"\x12\x01x", header_message(HEADER), b"\x78\x01"]))
def test_two_fields_in_a_message_are_read_as_the_generated_code_reads_them(chunk: bytes, other: bytes) -> None:
    for message in (chunk_message(chunk) + other, other + chunk_message(chunk)):
        request = agent_pb2.UploadArtifactRequest.FromString(message)
        assert read_part(message) == getattr(request, str(request.WhichOneof("part")))
