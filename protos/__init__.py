"""The contract between the harness and the agent: one protobuf package, `edgeleak.v1`, and its generated stubs."""

from __future__ import annotations

__all__ = ["BUSY_METADATA", "CHUNK_BYTES", "LEASE_METADATA", "MAX_MESSAGE_BYTES", "PROTOCOL_VERSION"]

# Incremented when the meaning of a message changes; host and agent must agree on it.
PROTOCOL_VERSION = 2
# Largest message that either side accepts: hosts make batches of at most half of it, and eight streams that hold one
# such message each do not fill a phone.
MAX_MESSAGE_BYTES = 32 * 1024 * 1024
# Metadata by which a call names the lease of its session.
LEASE_METADATA = "edgeleak-lease"
# Trailing metadata of a refusal because somebody else holds the device: nanoseconds for which the lease lasts yet.
BUSY_METADATA = "edgeleak-busy-ns"
# An upload's chunk: large enough for full throughput, small enough that a lost link costs little.
CHUNK_BYTES = 1024 * 1024
