"""The command line: verbs, no logic. Progress goes to stderr, results to stdout.

Exit codes: 0 pass, 1 gate failed, 2 inconclusive, 3 internal or device error, 4 usage or configuration.
"""

from __future__ import annotations

import _thread
import errno
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import typer
from typer.exceptions import Abort, TyperException

from harness.cli._app import (
    ConfigArgument,
    DeviceOption,
    JobsOption,
    JsonOption,
    QuietOption,
    app,
    err,
    say,
    show_sentences,
)
from harness.cli._console import ProgressView
from harness.cli._streams import outlive_readers
from harness.defects import defect_of, show_traceback
from harness.errors import EdgeleakError, InterruptedRunError, MemoryShortError, StorageError, UsageError
from harness.plain import plain

# Beside `main` what other command lines of this project, the studies', are made of.
__all__ = [
    "ConfigArgument",
    "DeviceOption",
    "JobsOption",
    "JsonOption",
    "ProgressView",
    "QuietOption",
    "err",
    "main",
    "show_sentences",
]

# A disk that is full, over quota, failing, read-only or not ours.
STORAGE_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO})
# A path that leads nowhere, or to something else than is needed.
PATH_ERRORS = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTEMPTY}
)
# What typer makes of KeyboardInterrupt; it never reaches the shell.
INTERRUPTED = 130
# How long an interrupted command may take to put its things in order. A library's lock that the interrupt left taken
# would hold it for ever; what is on disk stands a kill at any moment.
ORDERLY_SECONDS = 6.0


def main(command: typer.Typer = app, *, name: str = "edgeleak") -> NoReturn:
    """Run a command line; every failure becomes one message of one line and its documented exit code.

    What nobody foresaw exits 3 and never 1, which says that the gate failed; its traceback goes into a file.

    Args:
        command: what to run.
        name: how help calls it.
    """
    interrupts: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        if not interrupts:
            # Not threading: its own lock may be the one that is taken.
            _thread.start_new_thread(_end_late, ())
        interrupts.append(number)
        # What libraries' threads have in hand fails at the end, and they would log a traceback for each.
        logging.disable(logging.CRITICAL)
        raise KeyboardInterrupt

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, interrupt)
        outlive_readers()
        code = command(prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except KeyboardInterrupt:  # outside what typer watches over
        code = INTERRUPTED
    except SystemExit as leaving:
        cause = leaving.__context__
        if not isinstance(cause, OSError):
            raise
        # Typer takes every pipe that breaks for standard output and leaves with 1.
        code = _failed(cause, name, interrupts)
    except Exception as error:
        code = _failed(error, name, interrupts)
    if code == INTERRUPTED:
        sys.exit(say(_interrupted()))
    sys.exit(code if isinstance(code, int) else 0)


def _failed(error: Exception, name: str, interrupts: Sequence[int]) -> int:
    """Say what failed; the exit code."""
    if not isinstance(error, EdgeleakError):
        # An interrupt that comes upon a library's lock leaves it as another error, about the lock.
        if interrupts:
            return INTERRUPTED
        # Typer's word for the end of the input, wherever it was met.
        if isinstance(error, Abort) and isinstance(error.__cause__, EOFError):
            error = error.__cause__
    show_traceback(error)
    return say(error if isinstance(error, EdgeleakError) else _as_error(error, name))


def _interrupted() -> InterruptedRunError:
    return InterruptedRunError("interrupted", hint="the same command resumes; finished work is kept")


def _end_late() -> None:
    time.sleep(ORDERLY_SECONDS)
    code = say(_interrupted())
    sys.stderr.flush()
    os._exit(code)


def _as_error(error: Exception, name: str) -> EdgeleakError:
    """A library's failure as an error of ours; one that nobody foresaw as a defect."""
    if isinstance(error, TyperException):
        return UsageError(error.format_message(), hint=f"see {name} -h")
    if isinstance(error, Abort):
        return _interrupted()
    if isinstance(error, MemoryError):
        said = plain(str(error))
        return MemoryShortError(
            "out of memory" + (f": {said}" if said else ""),
            hint="close other programs, or audit fewer records; the same command resumes",
        )
    if isinstance(error, OSError) and error.errno in STORAGE_ERRORS:
        return StorageError(
            f"{_shown(error, 'run folder')}: {error.strerror}",
            hint="make room, or give another place with --run; the same command resumes",
        )
    if isinstance(error, OSError) and error.errno in PATH_ERRORS and error.filename is not None:
        return StorageError(f"{_shown(error)}: {error.strerror}", hint="correct the path, or make what it names")
    return defect_of(error)


def _shown(error: OSError, otherwise: str = "") -> str:
    """The path that an error is about, fit for one line."""
    return otherwise if error.filename is None else plain(os.fsdecode(error.filename))
