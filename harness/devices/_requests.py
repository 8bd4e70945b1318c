"""Batches as the contract carries them: packed once, several small ones to a message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import InputError
from harness.types import Artifact, Records
from protos import MAX_MESSAGE_BYTES
from protos.edgeleak.v1 import agent_pb2
from protos.wire import SEAL_BYTES, Piece, pack_batch, sealed

__all__ = ["PackedBatch", "header_message", "message", "packed"]


@dataclass(frozen=True)
class PackedBatch:
    """One numbered batch, ready to go; its pieces are views of the records' arrays.

    Args:
        number: its own.
        records: how many it holds.
        pieces: of its bytes.
        size: of all pieces, bytes.
    """

    number: int
    records: int
    pieces: Sequence[Piece]
    size: int


def header_message(artifacts: Sequence[Artifact], *, threads: int) -> bytes:
    """What opens a stream of batches to these artifacts."""
    # Two variants may be one file: the device is asked once, and the answer is given to both.
    digests = list(dict.fromkeys(artifact.sha256 for artifact in artifacts))
    header = agent_pb2.InvokeHeader(sha256s=digests, threads=threads)
    return sealed([agent_pb2.InvokeRequest(header=header).SerializeToString()])


def packed(number: int, records: Records, artifacts: Sequence[Artifact]) -> PackedBatch:
    """One numbered batch.

    Raises:
        InputError: an array has a type that the contract does not carry, or the batch is too large for a message.
    """
    tensors = [(name, np.asarray(records.inputs[name])) for name in _input_order(records, artifacts)]
    try:
        pieces, size = pack_batch(number, tensors)
    except ValueError as error:
        raise InputError(f"records: {error}") from error
    if size + SEAL_BYTES > MAX_MESSAGE_BYTES:
        why = f"batch {number} takes {size} bytes, more than a message's {MAX_MESSAGE_BYTES - SEAL_BYTES}"
        raise InputError(why, hint="use a smaller batch size")
    return PackedBatch(number, len(records), pieces, size)


def message(batches: Sequence[PackedBatch]) -> bytes:
    """One message of several batches."""
    return sealed(piece for batch in batches for piece in batch.pieces)


def _input_order(records: Records, artifacts: Sequence[Artifact]) -> list[str]:
    """The order of the model's own inputs where the records have those names; files of some formats know no names."""
    for artifact in artifacts:
        names = [spec.name for spec in artifact.inputs]
        if set(names) == set(records.inputs):
            return names
    return list(records.inputs)
