"""Putting an artifact on a device: checked on its way, resumed where an earlier upload stopped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc

from harness.devices._failures import Failures, busy_seconds, code_of, details_of
from harness.devices._files import EXPORT_HINT, VerifiedFiles
from harness.devices._patience import Patience
from harness.devices._pause import GrowingPause
from harness.errors import ArtifactError, EdgeleakError
from harness.types import Artifact
from protos.chunks import chunk_message, header_message
from protos.edgeleak.v1 import agent_pb2, agent_pb2_grpc
from protos.runtimes import RUNTIMES

__all__ = ["upload"]

# The slowest link that is still one: adb through an emulator reached 7.9 MiB/s.
_MIN_BYTES_PER_SECOND = 1024 * 1024
# What the agent held was damaged, or is not what it said it held: one more try, from what it now holds.
_ONCE_MORE = (grpc.StatusCode.DATA_LOSS, grpc.StatusCode.FAILED_PRECONDITION)

Metadata = tuple[tuple[str, str], ...]
# What gRPC makes of a method; its type takes arguments in the stubs alone.
Send = Any


def upload(
    stub: agent_pb2_grpc.AgentServiceStub,
    send: Send,
    artifact: Artifact,
    *,
    files: VerifiedFiles,
    failures: Failures,
    patience: Patience,
    seconds: float,
    metadata: Metadata = (),
) -> bool:
    """Send what the agent lacks of a file; False where it held all of it.

    Args:
        stub: the agent.
        send: its method for uploads, which takes serialised messages: the generated one would copy each chunk twice.
        artifact: the file.
        files: those that this session has verified.
        failures: the device's errors.
        patience: an upload that broke goes on from what the agent then holds.
        seconds: besides those that the size takes; also how long to wait for somebody else's upload of this file.
        metadata: of each call.

    Raises:
        ArtifactError: the file is missing or altered, or the agent's runtime refuses it.
        DeviceError: no room, no such runtime, or the device was lost.
    """
    files.check_size(artifact)
    # While somebody else uploads the same file, which then is there.
    others = GrowingPause(seconds)
    again = True
    while True:
        try:
            return patience.call(
                lambda: _upload_once(stub, send, artifact, files=files, seconds=seconds, metadata=metadata),
            )
        except grpc.RpcError as error:
            if code_of(error) is grpc.StatusCode.ABORTED and busy_seconds(error) is None:
                if not others.wait():
                    raise _failure(error, artifact, failures) from error
            elif code_of(error) in _ONCE_MORE and again:
                again = False
            else:
                raise _failure(error, artifact, failures) from error


def _upload_once(
    stub: agent_pb2_grpc.AgentServiceStub,
    send: Send,
    artifact: Artifact,
    *,
    files: VerifiedFiles,
    seconds: float,
    metadata: Metadata,
) -> bool:
    request = agent_pb2.QueryArtifactRequest(sha256=artifact.sha256)
    held = stub.QueryArtifact(request, timeout=seconds, metadata=metadata)
    if held.complete:
        files.require(artifact)
        return False
    limit = seconds + artifact.size_bytes / _MIN_BYTES_PER_SECOND
    sending = _Sending(artifact, files, offset=min(held.held_bytes, artifact.size_bytes))
    try:
        send(sending.messages(), timeout=limit, metadata=metadata)
    finally:
        # It is why the agent missed the end. What it holds of the file is no more than a part: nothing is listed.
        if sending.error is not None:
            raise sending.error
    return True


class _Sending:
    """The messages of one upload; where the file is not what was exported, they end early and `error` says so."""

    def __init__(self, artifact: Artifact, files: VerifiedFiles, *, offset: int) -> None:
        self.error: ArtifactError | None = None
        self._artifact = artifact
        self._files = files
        self._offset = offset

    def messages(self) -> Iterator[bytes]:
        """The header, which carries the digest of the export, and the rest of the file."""
        artifact = self._artifact
        yield header_message(
            agent_pb2.UploadHeader(
                sha256=artifact.sha256,
                size_bytes=artifact.size_bytes,
                runtime=RUNTIMES[artifact.runtime].wire,
                offset_bytes=self._offset,
            )
        )
        try:
            for piece in self._files.pieces(artifact, start=self._offset):
                yield chunk_message(piece)
        except ArtifactError as error:
            # gRPC would log it, and tell the caller that something went wrong.
            self.error = error


def _failure(error: grpc.RpcError, artifact: Artifact, failures: Failures) -> EdgeleakError:
    if code_of(error) is grpc.StatusCode.INVALID_ARGUMENT:
        return ArtifactError(f"{artifact.path}: {failures.device} refuses it: {details_of(error)}", hint=EXPORT_HINT)
    return failures.of_call(error, f"upload of {artifact.key}")
