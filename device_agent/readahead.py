"""Reading the next request while the present one is worked on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator

__all__ = ["read_ahead"]

# One batch waits while one runs: more would only hold more of the records in memory.
_WAITING_MAX = 1


def read_ahead(requests: Iterator[bytes]) -> Generator[bytes, None, None]:
    """The same requests, received by a thread of their own, one ahead of the consumer.

    Close the generator to let the thread go; the thread also ends with the requests. An error of theirs is raised here.
    """
    ready: queue.SimpleQueue[bytes | Exception | None] = queue.SimpleQueue()
    room = threading.Semaphore(_WAITING_MAX)
    closed = threading.Event()

    def receive() -> None:
        try:
            for request in requests:
                ready.put(request)
                room.acquire()
                if closed.is_set():
                    return
        except Exception as error:  # whatever gRPC raises belongs to the consumer's thread
            ready.put(error)
        else:
            ready.put(None)

    threading.Thread(target=receive, name="read-ahead", daemon=True).start()
    try:
        while (request := ready.get()) is not None:
            if isinstance(request, Exception):
                raise request
            room.release()
            yield request
    finally:
        closed.set()
        room.release()
