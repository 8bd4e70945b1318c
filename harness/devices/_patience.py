"""When a failed call is made again: what is safe to repeat, after a growing pause, and for a bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import grpc

from harness.devices._failures import Failures, busy_seconds, code_of
from harness.devices._types import Timeouts

__all__ = ["Patience"]

# The first pause before a call is made again; each is twice the one before.
_FIRST_PAUSE_SECONDS = 0.1
_PAUSE_SECONDS_MAX = 2.0
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
        clock: seconds that only grow.
        sleep: waits.
    """

    def __init__(
        self,
        failures: Failures,
        timeouts: Timeouts,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._failures = failures
        self._timeouts = timeouts
        self._clock = clock
        self._sleep = sleep
        self._pause = _FIRST_PAUSE_SECONDS
        self._broken_since: float | None = None
        self._busy_since: float | None = None

    def progress(self) -> None:
        """Something was answered: the next failure is a new one."""
        self._pause = _FIRST_PAUSE_SECONDS
        self._broken_since = self._busy_since = None

    def pauses(self, error: grpc.RpcError) -> bool:
        """Wait where the call may be made again; False where it must not, at once."""
        now = self._clock()
        held = busy_seconds(error)
        if held is not None:
            if self._busy_since is None:
                self._busy_since = now
            left = self._busy_since + self._timeouts.busy - now
            pause = min(max(held, _FIRST_PAUSE_SECONDS), _PAUSE_SECONDS_MAX, left)
        elif code_of(error) in _BROKEN:
            return self.pauses_after_break()
        else:
            return False
        if left <= 0:
            return False
        self._sleep(pause)
        return True

    def pauses_after_break(self) -> bool:
        """Wait where what broke may be tried again: the agent's process runs, and not too much time has passed."""
        now = self._clock()
        if self._broken_since is None:
            self._broken_since = now
        left = self._broken_since + self._timeouts.reconnect - now
        if left <= 0 or not self._failures.connection.alive():
            return False
        pause, self._pause = min(self._pause, left), min(2 * self._pause, _PAUSE_SECONDS_MAX)
        self._sleep(pause)
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
