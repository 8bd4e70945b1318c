"""A spare worker that has imported its libraries, so that a crash does not cost the next caller their seconds."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from device_agent import telemetry
from device_agent.process import WorkerProcess

__all__ = ["Spare"]

# A worker with torch takes 300 MB; on a device with less than this to spare, models need it more.
_MEMORY_BYTES = 1024**3
# A spare is started this long after a runtime was first used: short sessions never pay for one.
_DELAY_SECONDS = 3.0


class Spare:
    """Starts workers, and keeps one ready once it is known which libraries it will need.

    Args:
        start: makes a worker process.
    """

    def __init__(self, start: Callable[[], WorkerProcess]) -> None:
        self._start = start
        # One thread starts all workers: the kernel ends a worker with the thread that started it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="workers")
        self._lock = threading.Lock()
        self._ready: WorkerProcess | None = None
        self._runtimes: frozenset[str] = frozenset()
        self._timer: threading.Timer | None = None
        self._closed = False
        self._deferred: Callable[[], bool] = lambda: False

    def defer_while(self, condition: Callable[[], bool]) -> None:
        """Start no spare while this holds."""
        self._deferred = condition

    @property
    def pid(self) -> int | None:
        """Process id of the spare; None while there is none."""
        with self._lock:
            return None if self._ready is None else self._ready.pid

    def take(self) -> WorkerProcess:
        """The spare where it runs, otherwise a new worker."""
        with self._lock:
            spare, self._ready = self._ready, None
        if spare is not None and spare.runs():
            self._later()
            return spare
        if spare is not None:
            spare.end()
        return self._thread.submit(self._start).result()

    def expect(self, runtime: str) -> None:
        """A runtime is in use: a spare will have its library."""
        with self._lock:
            if runtime in self._runtimes:
                return
            self._runtimes |= {runtime}
            outdated, self._ready = self._ready, None
        if outdated is not None:
            outdated.end()
        self._later()

    def close(self) -> None:
        """End the spare; none is started any more."""
        with self._lock:
            self._closed = True
            spare, self._ready = self._ready, None
            if self._timer is not None:
                self._timer.cancel()
        if spare is not None:
            spare.end()
        self._thread.shutdown(wait=True)

    def _later(self) -> None:
        with self._lock:
            if self._closed:
                return
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(_DELAY_SECONDS, self._order)
            self._timer.daemon = True
            self._timer.start()

    def _order(self) -> None:
        with contextlib.suppress(RuntimeError):  # closed in between
            self._thread.submit(self._fill)

    def _fill(self) -> None:
        available = telemetry.memory_available_bytes() or 0
        if self._deferred():
            # A start would be in somebody's timing.
            self._later()
            return
        with self._lock:
            runtimes = sorted(self._runtimes)
            if self._closed or self._ready is not None or available < _MEMORY_BYTES:
                return
        worker = self._start()
        with contextlib.suppress(OSError):
            worker.prepare(runtimes)
        if not self._put(worker):
            worker.end()

    def _put(self, worker: WorkerProcess) -> bool:
        with self._lock:
            if self._closed or self._ready is not None:
                return False
            self._ready = worker
            return True
