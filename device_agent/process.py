"""One worker process: started, spoken to, ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence

from device_agent import requests
from device_agent.frames import FrameSocket
from device_agent.settings import CageSettings, WorkerSettings, environment

__all__ = ["WorkerProcess"]

_STDERR = 2
# How a process ends by what it runs: the loader or a kernel went wrong on the file.
_FAULTS = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
# A killed process is gone at once, unless the kernel itself hangs.
_REAP_SECONDS = 5.0


class WorkerProcess:
    """A process that owns interpreters, and the connection to it.

    Start it from a thread that lives as long as the agent: the kernel ends the process with the thread that started it.

    Args:
        send_seconds: longest that it may take to read one request.
        cage: how it is confined; None confines nothing.
    """

    def __init__(self, *, send_seconds: float, cage: CageSettings | None = None) -> None:
        ours, theirs = socket.socketpair()
        settings = WorkerSettings(theirs.fileno(), os.getpid(), cage)
        with theirs:
            # -P: a folder of the caller's that happens to be called device_agent is not imported.
            # The runtimes print at will; their lines go to the agent's own standard error, never into its output.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "device_agent.worker", settings.to_argument()],
                pass_fds=(theirs.fileno(),),
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=_STDERR,
            )
        self.frames = FrameSocket(ours, send_seconds=send_seconds)
        # Replies that will come first and that nobody waits for.
        self.unread = 0

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def runs(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def prepare(self, runtimes: Sequence[str]) -> None:
        """Have it import these runtimes' libraries; its reply is left unread.

        Raises:
            OSError: it is gone.
        """
        self.frames.send(requests.prepare(runtimes))
        self.unread += 1

    def end(self) -> None:
        """Kill it and close the connection; a second call does nothing."""
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_REAP_SECONDS)
        # After the kill: a thread that still reads gets its end of file, not another one's descriptor.
        self.frames.close()

    def death(self) -> tuple[str, bool]:
        """How it ended, and whether by a fault of what it ran."""
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
