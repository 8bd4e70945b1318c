"""The one error of the agent: a canonical status code and a message that says what to do."""

from __future__ import annotations

__all__ = ["AgentError", "BusyError", "WorkerDiedError"]


class AgentError(Exception):
    """A call that cannot be answered.

    Args:
        code: name of a canonical gRPC status, e.g. ``INVALID_ARGUMENT``. A name and not the enum, because the worker
            that raises most of these must not import gRPC.
        message: one line that names the artifact, the input or the limit.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class BusyError(AgentError):
    """Somebody else holds the device.

    Args:
        holder: who.
        seconds: how long the lease lasts yet.
    """

    def __init__(self, *, holder: str, seconds: float) -> None:
        message = f"the device is held by {holder} for up to {max(seconds, 0):.0f} s more; wait, or try again then"
        super().__init__("ABORTED", message)
        self.holder = holder
        self.seconds = seconds


class WorkerDiedError(AgentError):
    """The worker's process ended while it ran something.

    Args:
        message: one line that names the artifacts.
        crashed: it ended by a fault of the code it ran, and not because someone (or a full memory) killed it.
    """

    def __init__(self, message: str, *, crashed: bool) -> None:
        super().__init__("INTERNAL", message)
        self.crashed = crashed
