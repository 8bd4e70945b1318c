"""Pauses between attempts: each twice the one before, and a bounded time in all."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["GrowingPause"]

_FIRST_SECONDS = 0.1
_SECONDS_MAX = 2.0


class GrowingPause:
    """Waits between attempts of one kind.

    Args:
        seconds: from the first wait on, how long attempts go on; 0 allows none.
        clock: seconds that only grow.
        sleep: waits.
    """

    def __init__(
        self,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self.reset()

    def reset(self) -> None:
        """An attempt succeeded: the next failure is a new one."""
        self._next = _FIRST_SECONDS
        self._until: float | None = None

    def wait(self, at_least: float = 0.0) -> bool:
        """Wait before the next attempt; False, at once, where the time is over.

        Args:
            at_least: seconds that the other side asked for; more than two are waited in several attempts.
        """
        now = self._clock()
        if self._until is None:
            self._until = now + self._seconds
        left = self._until - now
        if left <= 0:
            return False
        pause = min(max(self._next, at_least), _SECONDS_MAX, left)
        self._next = min(2 * self._next, _SECONDS_MAX)
        self._sleep(pause)
        return True
