"""Reads what a board says about itself: files of /proc and /sys, and Android's own tools. What is absent is None."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

__all__ = ["numbers", "text", "tool"]

# Android's tools ask a service of the system, which answers within a fraction of a second or hangs.
_TOOL_SECONDS = 3.0


def text(path: Path) -> str | None:
    """A file's text without the zeros and spaces around it; None where it cannot be read."""
    try:
        return path.read_text(errors="replace").strip("\0\n ")
    except OSError:
        return None


def numbers(paths: Iterable[Path]) -> list[int]:
    """The whole numbers that files hold; a file that holds anything else is left out."""
    texts = [text(path) for path in paths]
    return [int(one) for one in texts if one and re.fullmatch(r"-?\d+", one)]


def tool(name: str, *arguments: str) -> str | None:
    """What a command prints; None where the board has no such command, or it fails."""
    program = shutil.which(name)
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_TOOL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
