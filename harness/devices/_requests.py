"""Batches as the contract carries them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.errors import InputError
from harness.types import Artifact, Records
from protos import MAX_MESSAGE_BYTES
from protos.edgeleak.v1 import agent_pb2
from protos.tensors import fill_tensor

__all__ = ["batch_request", "header_request"]


def header_request(artifacts: Sequence[Artifact], *, threads: int) -> agent_pb2.InvokeRequest:
    """What opens a stream of batches to these artifacts."""
    # Two variants may be one file: the device is asked once, and the answer is given to both.
    digests = list(dict.fromkeys(artifact.sha256 for artifact in artifacts))
    return agent_pb2.InvokeRequest(header=agent_pb2.InvokeHeader(sha256s=digests, threads=threads))


def batch_request(number: int, records: Records, artifacts: Sequence[Artifact]) -> agent_pb2.InvokeRequest:
    """One numbered batch.

    Raises:
        InputError: an array has a type that the contract does not carry, or the batch is too large for a message.
    """
    request = agent_pb2.InvokeRequest()
    batch = request.batches.add(number=number)
    for name in _input_order(records, artifacts):
        try:
            fill_tensor(batch.inputs.add(), name, np.asarray(records.inputs[name]))
        except ValueError as error:
            raise InputError(f"records: {error}") from error
    if request.ByteSize() > MAX_MESSAGE_BYTES:
        message = f"batch {number} takes {request.ByteSize()} bytes, more than a message's {MAX_MESSAGE_BYTES}"
        raise InputError(message, hint="use a smaller batch size")
    return request


def _input_order(records: Records, artifacts: Sequence[Artifact]) -> list[str]:
    """The order of the model's own inputs where the records have those names; files of some formats know no names."""
    for artifact in artifacts:
        names = [spec.name for spec in artifact.inputs]
        if set(names) == set(records.inputs):
            return names
    return list(records.inputs)
