"""Checks of a device's answers: it is not trusted, and no array leaves here unchecked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.devices._types import BatchAnswer
from harness.errors import DeviceOutputError, ProtocolError
from harness.types import SUM_TOLERANCE, Artifact
from protos.edgeleak.v1 import agent_pb2
from protos.tensors import from_tensor

__all__ = ["checked_answer"]


def checked_answer(
    response: agent_pb2.BatchAnswer, *, number: int, records: int, artifacts: Sequence[Artifact], device: str
) -> BatchAnswer:
    """The answer to one batch, if it is one.

    Args:
        response: what came.
        number: of the batch that was sent.
        records: in that batch.
        artifacts: that it was fed to.
        device: named in errors.

    Raises:
        ProtocolError: another batch's number, or other artifacts.
        DeviceOutputError: an output has the wrong shape or type, is not finite, or is not what its kind says.
    """
    if response.number != number:
        raise ProtocolError(f"batch {number} was answered as batch {response.number}", device=device)
    answers = {answer.sha256: answer for answer in response.answers}
    if len(answers) != len(response.answers) or set(answers) != {a.sha256 for a in artifacts}:
        raise ProtocolError(f"batch {number}: the answer names other artifacts than were asked", device=device)
    outputs: dict[str, NDArray[np.float32]] = {}
    kernel_ns: dict[str, int] = {}
    for artifact in artifacts:
        answer = answers[artifact.sha256]
        try:
            outputs[artifact.key] = _output(answer, artifact, records)
        except ValueError as error:
            raise DeviceOutputError(f"{artifact.key}, batch {number}: {error}", device=device) from error
        kernel_ns[artifact.key] = int(answer.kernel_time_ns)
    return BatchAnswer(number, outputs, _plausible(kernel_ns, number, device))


def _output(answer: agent_pb2.ArtifactAnswer, artifact: Artifact, records: int) -> NDArray[np.float32]:
    if not answer.outputs:
        raise ValueError("there is no output")
    named = [tensor for tensor in answer.outputs if tensor.name == artifact.output.name]
    values = from_tensor(named[0] if named else answer.outputs[0])
    expected = (records, *artifact.output.shape)
    fits = len(values.shape) == len(expected) and all(
        want in (-1, got) for want, got in zip(expected, values.shape, strict=True)
    )
    if values.dtype != np.float32 or not fits:
        axes = ", ".join("any" if axis == -1 else str(axis) for axis in expected)
        got = f"{values.dtype.name} {list(values.shape)}"
        raise ValueError(f"output: expected float32 [{axes}], got {got}")
    flat = values.reshape(records, -1)
    finite = np.isfinite(flat).all(axis=1)
    if not finite.all():
        raise ValueError(f"record {int(np.argmin(finite))} of the batch: the output holds NaN or infinity")
    if artifact.output_kind == "confidences":
        sums = flat.sum(axis=1, dtype=np.float64)
        wrong = (np.abs(sums - 1.0) > SUM_TOLERANCE) | (flat.min(axis=1) < 0)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(f"record {row} of the batch: confidences sum to {sums[row]:.4g} or are negative")
    return values.astype(np.float32, copy=False)


def _plausible(kernel_ns: Mapping[str, int], number: int, device: str) -> Mapping[str, int]:
    for key, time_ns in kernel_ns.items():
        if time_ns < 0:
            raise ProtocolError(f"{key}, batch {number}: a kernel time of {time_ns} ns", device=device)
    return kernel_ns
