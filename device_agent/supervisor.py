"""The agent's side of its worker: one request at a time, and a new worker where the old one died or hangs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence

from device_agent.blobs import Blob
from device_agent.errors import AgentError, WorkerDiedError
from device_agent.frames import OK, FrameSocket

__all__ = ["Supervisor", "named", "request_header"]

# How often a wait looks up: whether the caller still listens, whether the time is over.
_SLICE_SECONDS = 0.5
# A caller that went away leaves its batch this long to finish before the worker is taken for hung: most do finish,
# and a restart costs the next caller every loaded model.
_ABANDONED_SECONDS = 10.0
_STDERR = 2
# How a process ends by what it runs: the loader or a kernel went wrong on the file.
_FAULTS = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
# A killed process is gone at once, unless the kernel itself hangs.
_REAP_SECONDS = 5.0
# A number of threads beyond which the request is a mistake.
_THREADS_MAX = 256


class Supervisor:
    """Owns the worker process. Calls are serialised: one batch runs at a time, whoever sent it, and a benchmark runs
    alone, so that no neighbour is in its timing.

    Args:
        limit_seconds: longest that one request may run before the worker is taken for hung and replaced.
        clock: seconds that only grow.
    """

    def __init__(self, *, limit_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_seconds = limit_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._closed = False
        self._start()

    @property
    def pid(self) -> int:
        """Process id of the present worker."""
        return self._process.pid

    def call(
        self, header: bytes, payload: bytes = b"", *, what: str, wanted: Callable[[], bool] = lambda: True
    ) -> bytes:
        """Send one request and wait for its one reply.

        Args:
            header: the request, JSON.
            payload: the batch, protobuf; empty for every other operation.
            what: the artifacts, for the message when the worker dies.
            wanted: False once the caller has gone away.

        Raises:
            AgentError: the worker refused; INTERNAL where it died; DEADLINE_EXCEEDED where it hung; CANCELLED.
        """
        with self._exclusive(wanted):
            return self._converse(header, payload, what, wanted)

    def stream(self, header: bytes, *, what: str, wanted: Callable[[], bool]) -> Generator[bytes, None, None]:
        """Send one request and yield its replies up to the empty one; nothing else runs meanwhile.

        Raises:
            AgentError: as `call`.
        """
        with self._exclusive(wanted):
            complete = False
            try:
                reply = self._converse(header, b"", what, wanted)
                while reply:
                    yield reply
                    reply = self._converse(None, b"", what, wanted)
                complete = True
            except AgentError:
                complete = True
                raise
            finally:
                if not complete:
                    # The caller left in the middle: what the worker still sends belongs to nobody.
                    self._restart()

    def close(self) -> None:
        """End the worker."""
        self._closed = True
        self._end()

    @contextlib.contextmanager
    def _exclusive(self, wanted: Callable[[], bool]) -> Iterator[None]:
        while not self._lock.acquire(timeout=_SLICE_SECONDS):
            if not wanted():
                raise AgentError("CANCELLED", "the caller left while it waited for another one's batch")
        try:
            if self._closed:
                raise AgentError("UNAVAILABLE", "the agent is stopping")
            if self._process.poll() is not None:
                self._restart()
            yield
        finally:
            self._lock.release()

    def _converse(self, header: bytes | None, payload: bytes, what: str, wanted: Callable[[], bool]) -> bytes:
        on_silence = self._patience(what, wanted)
        try:
            if header is not None:
                self._frames.send(header, payload)
            reply, data = self._frames.receive(on_silence)
        except AgentError:
            self._restart()
            raise
        except TimeoutError as error:
            self._restart()
            message = f"{what}: the worker took no input for {self._limit_seconds:g} s; it has been restarted"
            raise AgentError("DEADLINE_EXCEEDED", message) from error
        except (OSError, EOFError) as error:
            how, crashed = self._death_of_worker()
            self._restart()
            message = f"the worker died ({how}) while running {what}; it has been restarted"
            raise WorkerDiedError(message, crashed=crashed) from error
        if reply == OK:
            return data
        refusal = json.loads(reply)
        raise AgentError(refusal["error"], refusal["message"])

    def _patience(self, what: str, wanted: Callable[[], bool]) -> Callable[[], None]:
        started = self._clock()
        left: list[float] = []

        def on_silence() -> None:
            now = self._clock()
            if not wanted() and not left:
                left.append(now)
            if left and now - left[0] > _ABANDONED_SECONDS:
                raise AgentError("CANCELLED", f"the caller left while {what} was running")
            if now - started > self._limit_seconds:
                message = f"{what} did not answer within {self._limit_seconds:g} s; the worker has been restarted"
                raise AgentError("DEADLINE_EXCEEDED", message)

        return on_silence

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            # -P: a folder of the caller's that happens to be called device_agent is not imported.
            # The runtimes print at will; their lines go to the agent's own standard error, never into its output.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "device_agent.worker", str(theirs.fileno()), str(os.getpid())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=_STDERR,
            )
        ours.settimeout(_SLICE_SECONDS)
        self._frames = FrameSocket(ours, send_seconds=self._limit_seconds)

    def _restart(self) -> None:
        self._end()
        if not self._closed:
            self._start()

    def _end(self) -> None:
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_REAP_SECONDS)
        # After the kill: a thread that still reads gets its end of file, not another one's descriptor.
        self._frames.close()

    def _death_of_worker(self) -> tuple[str, bool]:
        """How the worker's process ended, and whether by a fault of what it ran."""
        try:
            code = self._process.wait(_REAP_SECONDS)
        except subprocess.TimeoutExpired:
            return "it closed its socket", False
        if code >= 0:
            return f"exit status {code}", False
        number = signal.Signals(-code)
        # A killed process is most often one that outgrew the memory.
        name = f"{number.name}, perhaps out of memory" if number is signal.SIGKILL else number.name
        return name, number in _FAULTS


def request_header(operation: str, blobs: Sequence[Blob], *, threads: int = 0, **options: int) -> bytes:
    """A request to the worker about these artifacts.

    Raises:
        AgentError: INVALID_ARGUMENT for more threads than any device has.
    """
    if threads > _THREADS_MAX:
        raise AgentError("INVALID_ARGUMENT", f"{threads} threads are more than any device has")
    artifacts = [{"sha256": b.sha256, "runtime": b.runtime, "path": str(b.path)} for b in blobs]
    return json.dumps({"operation": operation, "artifacts": artifacts, "threads": threads or 1, **options}).encode()


def named(blobs: Sequence[Blob]) -> str:
    """The artifacts as messages name them."""
    return "artifact " + ", ".join(blob.sha256[:12] for blob in blobs)
