"""From a gRPC status to an error that says what to do."""

from __future__ import annotations

import grpc

from harness.errors import (
    DeviceError,
    DeviceLostError,
    DeviceUnavailableError,
    EdgeleakError,
    ProtocolError,
)

__all__ = ["RESUME_HINT", "START_HINT", "code_of", "lost", "translate", "unavailable"]

RESUME_HINT = "start the agent again and rerun the same command; collected batches are kept"
START_HINT = "start an agent there with: edgeleak-agent --listen 127.0.0.1:50051"
_HINTS = {
    grpc.StatusCode.RESOURCE_EXHAUSTED: "free room on the device, or use smaller batches",
    grpc.StatusCode.NOT_FOUND: "the agent was restarted; rerun the same command",
    grpc.StatusCode.INTERNAL: "rerun the same command; if one artifact does it again, that file crashes its runtime",
}
# Something answers, but not the service that this contract names.
_FOREIGN = (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNKNOWN)


def code_of(error: grpc.RpcError) -> grpc.StatusCode:
    """The status of a failed call."""
    # Every RpcError that a client raises is also a Call; the type stubs do not say so.
    code: grpc.StatusCode = error.code()
    return code


def translate(error: grpc.RpcError, *, device: str, doing: str) -> EdgeleakError:
    """The error of a call to an agent that answered before.

    Args:
        error: what gRPC raised.
        device: the device as the user named it.
        doing: what was under way, e.g. ``upload of target/original/litert``.
    """
    code, details = code_of(error), _details(error)
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return lost(device, f"the agent stopped answering during {doing}")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return lost(device, f"{doing} did not end in time: {details}")
    if code in _FOREIGN:
        return ProtocolError(
            f"{doing}: the agent breaks the contract: {details}", device=device, hint="upgrade the agent"
        )
    return DeviceError(f"{doing}: {details}", device=device, hint=_HINTS.get(code))


def lost(device: str, message: str) -> DeviceLostError:
    """The device answered before."""
    return DeviceLostError(message, device=device, hint=RESUME_HINT)


def unavailable(device: str, message: str) -> DeviceUnavailableError:
    """The device never answered."""
    return DeviceUnavailableError(message, device=device, hint=START_HINT)


def _details(error: grpc.RpcError) -> str:
    details = error.details()
    return " ".join(details.split()) if details else code_of(error).name
