"""An error that nobody foresaw: one line that says so, and a private file that holds its traceback."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from pathlib import Path

from harness.errors import DefectError
from harness.plain import plain

__all__ = ["VARIABLE", "defect_of", "is_debugged", "show_traceback"]

# Set to 1, it has the traceback of every error printed.
VARIABLE = "EDGELEAK_DEBUG"
# Most characters of a library's own message that the line repeats.
SAID_LENGTH = 300


def defect_of(error: BaseException) -> DefectError:
    """The error to show in its place; its traceback is written into a private file, which the message names.

    Args:
        error: what nobody foresaw, as it was caught.
    """
    said = plain(str(error), length=SAID_LENGTH)
    failed = type(error).__name__ + (f": {said}" if said else "")
    place = _written(error)
    if place is None:
        where = f"no file could be written for the traceback: set {VARIABLE}=1 to see it"
    else:
        where = f"the traceback is in {place}; {VARIABLE}=1 prints it"
    return DefectError(f"unforeseen {failed}", hint=f"this is a defect of edgeleak: please report it; {where}")


def is_debugged() -> bool:
    """Whether the user asks to see tracebacks."""
    return os.environ.get(VARIABLE, "") not in ("", "0")


def show_traceback(error: BaseException) -> None:
    """Print an error's traceback on standard error where the user asks to see it."""
    if is_debugged():
        traceback.print_exception(error, file=sys.stderr)


def _written(error: BaseException) -> Path | None:
    """A file that only this user can read; None where the temporary folder takes none."""
    try:
        handle, name = tempfile.mkstemp(prefix="edgeleak-", suffix=".traceback.txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(f"{' '.join(map(ascii, sys.argv))}\n{sys.version}\n{platform.platform()}\n\n")
            traceback.print_exception(error, file=stream)
    except OSError:
        return None
    return Path(name)
