"""From a gRPC status to an error that says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc

from harness.devices.transports import Connection
from harness.errors import (
    DeviceBusyError,
    DeviceError,
    DeviceLostError,
    DeviceUnavailableError,
    EdgeleakError,
    InputError,
    ProtocolError,
)
from harness.plain import plain
from protos import BUSY_METADATA

__all__ = ["Failures", "busy_seconds", "code_of", "details_of"]

_HINTS = {
    grpc.StatusCode.RESOURCE_EXHAUSTED: "free room on the device, or use smaller batches",
    grpc.StatusCode.NOT_FOUND: "the agent was restarted; rerun the same command",
    grpc.StatusCode.DATA_LOSS: "check the cable, the adapter and the forwarded port, and rerun the same command",
    grpc.StatusCode.INTERNAL: "rerun the same command; if one artifact does it again, that file crashes its runtime",
}
# Nanoseconds of a year have fewer digits.
_DIGITS_MAX = 18
# Something answers, but not the service that this contract names.
_FOREIGN = (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNKNOWN)


def busy_seconds(error: grpc.RpcError) -> float | None:
    """How long somebody else holds the device yet; None where the call failed for another reason."""
    if code_of(error) is not grpc.StatusCode.ABORTED:
        return None
    trailing: Any = error.trailing_metadata() or ()
    value = next((str(value) for key, value in trailing if key == BUSY_METADATA), "")
    return int(value) / 1e9 if value.isdigit() and len(value) < _DIGITS_MAX else None


def code_of(error: grpc.RpcError) -> grpc.StatusCode:
    """The status of a failed call."""
    # Every RpcError that a client raises is also a Call; the type stubs do not say so.
    code: grpc.StatusCode = error.code()
    return code


@dataclass(frozen=True)
class Failures:
    """The errors of one device.

    Args:
        device: the device as the user named it.
        connection: says whether its agent still runs, and what to do where it does not.
    """

    device: str
    connection: Connection

    def of_first_call(self, error: grpc.RpcError, target: str, *, seconds: float) -> EdgeleakError:
        """The error of a call to an address where nobody answered before.

        Args:
            error: what gRPC raised.
            target: where it was called.
            seconds: how long it had.
        """
        if code_of(error) is grpc.StatusCode.UNIMPLEMENTED:
            message = f"what answers at {target} is not an edgeleak agent"
            return ProtocolError(message, device=self.device, hint="check the address")
        refusal = self.connection.refusal(error)
        if refusal is not None:
            return DeviceUnavailableError(f"{target}: {refusal.reason}", device=self.device, hint=refusal.hint)
        return self.unavailable(_no_answer(error, target, seconds))

    def of_call(self, error: grpc.RpcError, doing: str) -> EdgeleakError:
        """The error of a call to an agent that answered before.

        Args:
            error: what gRPC raised.
            doing: what was under way, e.g. ``upload of target/original/litert``.
        """
        if not self.connection.alive():
            return self.lost(f"the agent's process ended during {doing}")
        code, details = code_of(error), details_of(error)
        if busy_seconds(error) is not None:
            hint = "wait for it: busy = 600 under [device.timeouts] waits up to 600 s"
            return DeviceBusyError(f"{doing}: {details}", device=self.device, hint=hint)
        if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
            return self.lost(f"the agent stopped answering during {doing}")
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return self.lost(f"{doing} did not end in time: {details}")
        if code in _FOREIGN:
            message = f"{doing}: the agent breaks the contract: {details}"
            return ProtocolError(message, device=self.device, hint="upgrade the agent")
        return DeviceError(f"{doing}: {details}", device=self.device, hint=_HINTS.get(code))

    def of_stream(self, error: grpc.RpcError, verdict: str | None, doing: str) -> EdgeleakError:
        """The error of a watched stream.

        Args:
            error: what gRPC raised.
            verdict: why the watch cancelled the stream; None where it did not.
            doing: as in `of_call`.
        """
        if verdict is not None:
            return self.lost(f"{verdict} during {doing}")
        if code_of(error) is grpc.StatusCode.INVALID_ARGUMENT:
            return InputError(f"{self.device}: {details_of(error)}")
        return self.of_call(error, doing)

    def damaged(self, message: str, doing: str) -> DeviceError:
        """What comes is not what was sent, time and again."""
        return DeviceError(f"{doing}: {message}", device=self.device, hint=_HINTS[grpc.StatusCode.DATA_LOSS])

    def lost(self, message: str) -> DeviceLostError:
        """The device answered before."""
        return DeviceLostError(message, device=self.device, hint=self.connection.resume_hint)

    def unavailable(self, message: str) -> DeviceUnavailableError:
        """The device never answered."""
        return DeviceUnavailableError(message, device=self.device, hint=self.connection.start_hint)


def _no_answer(error: grpc.RpcError, target: str, seconds: float) -> str:
    """What gRPC's own words say of an address where nobody answers; the time only where it was waited for."""
    said = details_of(error).casefold()
    if "refused" in said:
        return f"nothing answers at {target}: the connection is refused, so no agent listens there"
    if "lookup" in said or "resolving" in said:
        return f"nothing answers at {target}: the name leads to no address"
    if "no route" in said or "unreachable" in said:
        return f"nothing answers at {target}: no way leads to that host"
    return f"nothing answers at {target} within {seconds:g} s"


def details_of(error: grpc.RpcError) -> str:
    """What the agent said, fit for a terminal and a page: it is not trusted."""
    details = error.details()
    return plain(details) if details else code_of(error).name
