"""Requests of a stream, received ahead of their use, within a bound on the bytes of all streams."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

__all__ = ["Budget", "Incoming"]

# One message waits while one is worked on: more would only hold more of the records in memory.
_WAITING_MAX = 1
# How often a wait for room looks whether its stream still lives.
_SLICE_SECONDS = 0.2


class Budget:
    """Bytes of batches that all streams together may hold. One message always fits: it would never come otherwise.

    Args:
        max_bytes: the bound.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._used = 0
        self._freed = threading.Condition()

    def take(self, size: int, given_up: threading.Event) -> bool:
        """Wait for room; False where the stream was given up meanwhile."""
        with self._freed:
            while self._used and self._used + size > self._max_bytes:
                if given_up.is_set():
                    return False
                self._freed.wait(_SLICE_SECONDS)
            self._used += size
            return True

    def give_back(self, size: int) -> None:
        """Free room."""
        with self._freed:
            self._used -= size
            self._freed.notify_all()


class Incoming:
    """The requests of one call, received by a thread of their own. Use it as a context manager.

    Args:
        requests: gRPC's iterator.
        budget: of all streams; None where requests are small.
    """

    def __init__(self, requests: Iterator[bytes], budget: Budget | None = None) -> None:
        self._requests = requests
        self._budget = budget
        self._ready: queue.SimpleQueue[bytes | Exception | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(_WAITING_MAX)
        self._given_up = threading.Event()
        self._held = 0
        self._lock = threading.Lock()
        self.ended = False

    def __enter__(self) -> Incoming:
        threading.Thread(target=self._receive, name="incoming", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._given_up.set()
        self._room.release()
        with self._lock:
            self._give_back(self._held)

    def ready(self) -> bool:
        """Whether a request, or the end, has come."""
        return not self._ready.empty()

    def get(self, seconds: float) -> bytes | None:
        """The next request; None where none came in time, or where they have ended.

        Raises:
            grpc.RpcError: the call broke.
        """
        try:
            request = self._ready.get(timeout=seconds)
        except queue.Empty:
            return None
        if request is None:
            self.ended = True
            return None
        if isinstance(request, Exception):
            raise request
        self._room.release()
        return request

    def done_with(self, size: int) -> None:
        """A request of so many bytes is not held any more."""
        with self._lock:
            self._give_back(min(size, self._held))

    def _give_back(self, size: int) -> None:
        self._held -= size
        if self._budget is not None:
            self._budget.give_back(size)

    def _receive(self) -> None:
        try:
            for request in self._requests:
                if self._budget is not None and not self._budget.take(len(request), self._given_up):
                    return
                with self._lock:
                    self._held += len(request)
                    if self._given_up.is_set():
                        self._give_back(self._held)
                        return
                self._ready.put(request)
                self._room.acquire()
                if self._given_up.is_set():
                    return
        except Exception as error:  # whatever gRPC raises belongs to the consumer's thread
            self._ready.put(error)
        else:
            self._ready.put(None)
