"""Messages of an upload without a copy too many: a chunk is joined to its field once, and read where it lies.

The bytes are those of `UploadArtifactRequest` as ``agent.proto`` has it, and a test holds them against the generated
code, which copies a chunk twice on either side.
"""

from __future__ import annotations

from protos.edgeleak.v1 import agent_pb2

__all__ = ["UploadPart", "chunk_message", "header_message", "read_part"]

_LENGTH = 2
_TAG = agent_pb2.UploadArtifactRequest.CHUNK_FIELD_NUMBER << 3 | _LENGTH
# A varint has seven bits a byte, and the eighth where more follow.
_BITS, _MORE = 7, 0x80
# Enough for a message of two gigabytes, which no side accepts.
_VARINT_BYTES = 5

# The header, a chunk, or neither.
UploadPart = agent_pb2.UploadHeader | memoryview | None


def header_message(header: agent_pb2.UploadHeader) -> bytes:
    """The message that opens an upload."""
    return agent_pb2.UploadArtifactRequest(header=header).SerializeToString()


def chunk_message(chunk: bytes) -> bytes:
    """The message that carries a chunk."""
    size = len(chunk)
    head = bytearray((_TAG,))
    while size >= _MORE:
        head.append(size & (_MORE - 1) | _MORE)
        size >>= _BITS
    head.append(size)
    return b"".join((head, chunk))


def read_part(message: bytes) -> UploadPart:
    """What a message of an upload carries; a chunk shares its memory.

    Raises:
        google.protobuf.message.DecodeError: it is malformed.
    """
    chunk = _chunk_alone(message)
    if chunk is not None:
        return chunk
    # Whatever else a message may look like.
    request = agent_pb2.UploadArtifactRequest.FromString(message)
    part = request.WhichOneof("part")
    if part == "header":
        return request.header
    return memoryview(request.chunk) if part == "chunk" else None


def _chunk_alone(message: bytes) -> memoryview | None:
    """The chunk of a message that holds nothing else."""
    if not message or message[0] != _TAG:
        return None
    size = 0
    for position, byte in enumerate(message[1 : 1 + _VARINT_BYTES]):
        size |= (byte & (_MORE - 1)) << _BITS * position
        if byte < _MORE:
            start = 2 + position
            return memoryview(message)[start:] if len(message) - start == size else None
    return None
