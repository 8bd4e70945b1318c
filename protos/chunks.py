"""Messages of an upload without a copy too many: a chunk is joined to its field once, and read where it lies.

The bytes are those of `UploadArtifactRequest` as ``agent.proto`` has it, and a test holds them against the generated
code, which copies a chunk twice on either side.
"""

from __future__ import annotations

from protos.edgeleak.v1 import agent_pb2
from protos.varints import read_varint, varint

__all__ = ["UploadPart", "chunk_message", "header_message", "read_part"]

_LENGTH = 2
_TAG = varint(agent_pb2.UploadArtifactRequest.CHUNK_FIELD_NUMBER << 3 | _LENGTH)
# The header, a chunk, or neither.
UploadPart = agent_pb2.UploadHeader | memoryview | None


def header_message(header: agent_pb2.UploadHeader) -> bytes:
    """The message that opens an upload."""
    return agent_pb2.UploadArtifactRequest(header=header).SerializeToString()


def chunk_message(chunk: bytes) -> bytes:
    """The message that carries a chunk."""
    return b"".join((_TAG, varint(len(chunk)), chunk))


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
    if not message.startswith(_TAG):
        return None
    view = memoryview(message)
    try:
        size, start = read_varint(view, len(_TAG))
    except ValueError:
        return None
    return view[start:] if len(view) - start == size else None
