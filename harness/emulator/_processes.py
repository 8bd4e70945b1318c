"""Which process is meant: a number is used again, a number with the moment of its start is not."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

__all__ = ["alive", "end", "started"]

_PROC = Path("/proc")
_POLL_SECONDS = 0.05


def started(pid: int) -> str:
    """The moment of a process's start, unlike that of any other of the same number; empty where none runs.

    Args:
        pid: of the process.
    """
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        # The name is in brackets and may hold anything; the state follows it, and the start is the 20th after that.
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else f"{boot}/{fields[19]}"


def alive(pid: int, start: str) -> bool:
    """Whether the process that began then still runs."""
    return bool(start) and started(pid) == start


def end(pid: int, start: str, *, seconds: float) -> None:
    """End a process if it still is the one that began then: asked to, and killed after a while.

    Args:
        pid: of the process.
        start: as `started` says it.
        seconds: for it to end by itself.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not alive(pid, start):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        wait(pid, start, seconds=seconds)


def wait(pid: int, start: str, *, seconds: float) -> bool:
    """Wait until a process has ended; False where it has not in time."""
    until = time.monotonic() + seconds
    while alive(pid, start):
        if time.monotonic() > until:
            return False
        time.sleep(_POLL_SECONDS)
    return True
