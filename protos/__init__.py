"""The contract between the harness and the agent: one protobuf package, `edgeleak.v1`, and its generated stubs."""

from __future__ import annotations

__all__ = ["CHUNK_BYTES", "MAX_MESSAGE_BYTES", "PROTOCOL_VERSION"]

# Incremented when the meaning of a message changes; host and agent must agree on it.
PROTOCOL_VERSION = 2
# Largest message that either side accepts: room for 64 images of 512x512x3 float32, and still no way to fill a phone.
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
# An upload's chunk: large enough for full throughput, small enough that a lost link costs little.
CHUNK_BYTES = 1024 * 1024
