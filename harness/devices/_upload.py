"""Putting an artifact on a device: checked here first, resumed where an earlier upload stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import grpc

from harness.devices._failures import Failures, busy_seconds, code_of, details_of
from harness.devices._patience import Patience
from harness.errors import ArtifactError, EdgeleakError
from harness.types import Artifact
from protos import CHUNK_BYTES
from protos.edgeleak.v1 import agent_pb2, agent_pb2_grpc
from protos.runtimes import RUNTIMES

__all__ = ["upload", "verify_file"]

_EXPORT_HINT = "export it again with: edgeleak export"
# The slowest link that is still one: adb through an emulator reached 7.9 MiB/s.
_MIN_BYTES_PER_SECOND = 1024 * 1024
# What the agent held was damaged, or someone else's upload moved on: one more try, from what it now holds.
_ONCE_MORE = (grpc.StatusCode.DATA_LOSS, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ABORTED)

Metadata = tuple[tuple[str, str], ...]


def verify_file(artifact: Artifact) -> None:
    """Whether the file still is what was exported.

    Raises:
        ArtifactError: it is missing, truncated or altered.
    """
    try:
        size = artifact.path.stat().st_size
        with artifact.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ArtifactError(f"{artifact.path}: {error.strerror}", hint=_EXPORT_HINT) from error
    if size != artifact.size_bytes:
        how = "truncated" if size < artifact.size_bytes else "longer than exported"
        raise ArtifactError(
            f"{artifact.path}: {how}: {size} bytes, {artifact.size_bytes} were exported", hint=_EXPORT_HINT
        )
    if digest != artifact.sha256:
        raise ArtifactError(
            f"{artifact.path}: altered: its SHA-256 starts {digest[:12]}, that of the export {artifact.sha256[:12]}",
            hint=_EXPORT_HINT,
        )


def upload(
    stub: agent_pb2_grpc.AgentServiceStub,
    artifact: Artifact,
    *,
    failures: Failures,
    patience: Patience,
    seconds: float,
    metadata: Metadata = (),
) -> bool:
    """Send what the agent lacks of a verified file; False where it held all of it.

    Args:
        stub: the agent.
        artifact: the file.
        failures: the device's errors.
        patience: an upload that broke goes on from what the agent then holds.
        seconds: besides those that the size takes.
        metadata: of each call.

    Raises:
        ArtifactError: the agent's runtime refuses the file.
        DeviceError: no room, no such runtime, or the device was lost.
    """
    try:
        return patience.call(lambda: _upload_once(stub, artifact, seconds=seconds, metadata=metadata))
    except grpc.RpcError as error:
        if code_of(error) not in _ONCE_MORE or busy_seconds(error) is not None:
            raise _failure(error, artifact, failures) from error
    try:
        return patience.call(lambda: _upload_once(stub, artifact, seconds=seconds, metadata=metadata))
    except grpc.RpcError as error:
        raise _failure(error, artifact, failures) from error


def _upload_once(
    stub: agent_pb2_grpc.AgentServiceStub, artifact: Artifact, *, seconds: float, metadata: Metadata
) -> bool:
    request = agent_pb2.QueryArtifactRequest(sha256=artifact.sha256)
    held = stub.QueryArtifact(request, timeout=seconds, metadata=metadata)
    if held.complete:
        return False
    limit = seconds + artifact.size_bytes / _MIN_BYTES_PER_SECOND
    requests = _requests(artifact, artifact.path, int(held.held_bytes))
    stub.UploadArtifact(requests, timeout=limit, metadata=metadata)
    return True


def _requests(artifact: Artifact, path: Path, offset: int) -> Iterator[agent_pb2.UploadArtifactRequest]:
    yield agent_pb2.UploadArtifactRequest(
        header=agent_pb2.UploadHeader(
            sha256=artifact.sha256,
            size_bytes=artifact.size_bytes,
            runtime=RUNTIMES[artifact.runtime].wire,
            offset_bytes=offset,
        )
    )
    with path.open("rb") as file:
        file.seek(offset)
        while chunk := file.read(CHUNK_BYTES):
            yield agent_pb2.UploadArtifactRequest(chunk=chunk)


def _failure(error: grpc.RpcError, artifact: Artifact, failures: Failures) -> EdgeleakError:
    if code_of(error) is grpc.StatusCode.INVALID_ARGUMENT:
        return ArtifactError(f"{artifact.path}: {failures.device} refuses it: {details_of(error)}", hint=_EXPORT_HINT)
    return failures.of_call(error, f"upload of {artifact.key}")
