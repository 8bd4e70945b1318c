"""When a failed call is made again: what is safe to repeat, after a growing pause, and for a bounded time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import grpc

from harness.devices._failures import Failures, busy_seconds, code_of
from harness.devices._pause import GrowingPause
from harness.devices._types import Timeouts

__all__ = ["Patience"]

# The connection broke; or the agent ended a stream in order, because this side neither sent nor read for too long.
_BROKEN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)

Answer = TypeVar("Answer")


class Patience:
    """Decides for one call, or one stream, whether it is tried again.

    Only calls whose repetition changes nothing belong here: questions, uploads that go on where the last one ended,
    batches that were not answered. A benchmark does not: its second half would find a warm device.

    Args:
        failures: of the device, which know whether its agent still runs.
        timeouts: ``reconnect`` and ``busy``.
    """

    def __init__(self, failures: Failures, timeouts: Timeouts) -> None:
        self._failures = failures
        self._broken = GrowingPause(timeouts.reconnect)
        self._busy = GrowingPause(timeouts.busy)

    def progress(self) -> None:
        """Something was answered: the next failure is a new one."""
        self._broken.reset()
        self._busy.reset()

    def pauses(self, error: grpc.RpcError) -> bool:
        """Wait where the call may be made again; False where it must not, at once."""
        held = busy_seconds(error)
        if held is not None:
            return self._busy.wait(held)
        return code_of(error) in _BROKEN and self.pauses_after_break()

    def pauses_after_break(self) -> bool:
        """Wait where what broke may be tried again: the agent's process runs, and not too much time has passed.

        The way to the agent is then made anew, where it broke.
        """
        if not (self._failures.connection.alive() and self._broken.wait()):
            return False
        self._failures.connection.restore()
        return True

    def call(self, attempt: Callable[[], Answer]) -> Answer:
        """Make a call, again where it may be.

        Raises:
            grpc.RpcError: of the last attempt.
        """
        while True:
            try:
                return attempt()
            except grpc.RpcError as error:
                if not self.pauses(error):
                    raise
