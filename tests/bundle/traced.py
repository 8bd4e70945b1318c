"""Which files a process and its children opened, as strace saw it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["foreign_libraries", "opened", "strace"]

# A file for each thread: in one for all, calls that overlap are cut in two.
_STRACE = ("strace", "-ff", "-qq", "-s", "4096", "-e", "trace=openat,open,execve", "-e", "signal=none")
_OPENED = re.compile(r'^(?:openat\((?:AT_FDCWD|\d+), |open\()"([^"]*)", ([A-Z_|0-9]+).* = \d+$')
_STARTED = re.compile(r'^execve\("([^"]*)".* = 0$')


def strace(log: Path) -> list[str]:
    """The command that traces another into files whose names begin so; the test is skipped where there is none."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: apt-get install strace")
    return [*_STRACE, "-o", str(log)]


def opened(log: Path, *, by: str) -> set[str]:
    """Paths that a program opened, in any process and thread of it.

    A script is run by a shell of the machine, which opens the machine's libraries before it starts the program.

    Args:
        log: of strace.
        by: the program.
    """
    files = list(log.parent.glob(f"{log.name}.*"))
    assert files, "nothing was traced"
    return {path for file in files for path in _opened(file.read_text().splitlines(), by)}


def _opened(lines: list[str], by: str) -> Iterator[str]:
    # A thread starts no program, and is of the process that has started it.
    counted = not any(map(_STARTED.match, lines))
    for line in lines:
        if started := _STARTED.match(line):
            counted = started[1] == by
        elif counted and (path := _OPENED.match(line)) and "O_PATH" not in path[2]:
            # O_PATH names a file, as the cage's rules do, and reads nothing of it.
            yield path[1]


def foreign_libraries(paths: set[str], bundle: Path) -> set[str]:
    """Those that are libraries, or a list of them, and do not lie in the bundle.

    Args:
        paths: that were opened.
        bundle: its folder.
    """
    return {path for path in paths if ".so" in Path(path).name and not Path(path).resolve().is_relative_to(bundle)}
