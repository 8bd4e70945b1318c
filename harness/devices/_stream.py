"""A bidirectional call with a bounded window, and a watch over its silence."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import grpc

__all__ = ["Sender", "Watch"]

# How often the watch looks; a loss is noticed at most this much late.
_SLICE_SECONDS = 0.2


class Sender:
    """The requests of a call, handed over one by one. gRPC reads them in a thread of its own."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Any] = SimpleQueue()

    def send(self, request: Any) -> None:
        """Queue one request."""
        self._queue.put(request)

    def end(self) -> None:
        """No more requests; gRPC's thread ends."""
        self._queue.put(None)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._queue.get, None)


class Watch:
    """Cancels a call that is silent for too long, or whose agent's process has ended.

    gRPC's own deadline is for the whole call, which may rightly take hours; reading with a time limit per answer would
    cost a thread switch per batch. So a thread looks now and then, and the hot path only notes the time.

    Args:
        call: to cancel.
        idle_seconds: longest silence while an answer is awaited.
        alive: whether the agent can still answer.
        clock: seconds that only grow.
    """

    def __init__(
        self, call: grpc.Call, *, idle_seconds: float, alive: Callable[[], bool], clock: Callable[[], float]
    ) -> None:
        self._call = call
        self._idle_seconds = idle_seconds
        self._alive = alive
        self._clock = clock
        self._waiting_since: float | None = None
        self._done = threading.Event()
        self.verdict: str | None = None
        self._thread = threading.Thread(target=self._keep_looking, name="device-watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def wait_for(self, answers: Iterator[Any]) -> Any:
        """The next answer; None at the end of the call.

        Raises:
            grpc.RpcError: the call failed or was cancelled; ``verdict`` says why in the latter case.
        """
        self._waiting_since = self._clock()
        try:
            return next(answers, None)
        finally:
            self._waiting_since = None

    def look(self) -> None:
        """Cancel the call where its agent has ended or is silent for too long; its thread does this now and then."""
        alive, since = self._alive(), self._waiting_since
        if since is None:
            return
        if not alive:
            self.verdict = "the agent's process has ended"
        elif self._clock() - since > self._idle_seconds:
            self.verdict = f"no answer for {self._idle_seconds:g} s"
        if self.verdict is not None:
            self._call.cancel()  # type: ignore[no-untyped-call]

    def _keep_looking(self) -> None:
        while self.verdict is None and not self._done.wait(_SLICE_SECONDS):
            self.look()
