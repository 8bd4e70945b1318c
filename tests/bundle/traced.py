"""Which files a process and its children opened, as strace saw it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

__all__ = ["STRACE", "foreign_libraries", "opened", "strace"]

# Of successful calls, with the path that the kernel resolved.
STRACE = ("strace", "-f", "-qq", "-s", "4096", "-e", "trace=openat,open,execve", "-e", "signal=none")
_OPENED = re.compile(r'^(?:\d+ +)?(?:openat\((?:AT_FDCWD|\d+), |open\()"([^"]*)".* = \d+$')
_STARTED = re.compile(r'^(?:\d+ +)?execve\("([^"]*)".* = 0$')
_PROCESS = re.compile(r"^(\d+) ")


def strace(log: Path) -> list[str]:
    """The command that traces another into a file; the test is skipped where there is none."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: apt-get install strace")
    return [*STRACE, "-o", str(log)]


def opened(log: Path, *, by: str) -> set[str]:
    """Paths that were opened after a program was started, by the process that did so.

    A script is run by a shell of the machine, which opens the machine's libraries before it starts the program.

    Args:
        log: of strace.
        by: the program.
    """
    running: set[str] = set()
    found: set[str] = set()
    for line in log.read_text().splitlines():
        process = _PROCESS.match(line)
        number = process[1] if process else ""
        if started := _STARTED.match(line):
            (running.add if started[1] == by else running.discard)(number)
        elif number in running and (path := _OPENED.match(line)):
            found.add(path[1])
    return found


def foreign_libraries(paths: set[str], bundle: Path) -> set[str]:
    """Those that are libraries and do not lie in the bundle."""
    return {path for path in paths if ".so" in Path(path).name and not Path(path).resolve().is_relative_to(bundle)}
