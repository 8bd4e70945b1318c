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
from types import FrameType
from typing import NoReturn

import typer
from typer.exceptions import TyperException

# In the order in which help lists their verbs.
from harness.cli import _audits as _audits

from harness.cli import _arrays as _arrays  # isort: skip
from harness.cli import _models as _models
from harness.cli import _profile as _profile

from harness.cli import _init as _init  # isort: skip
from harness.cli import _machine as _machine  # isort: skip
from harness.cli import _devices as _devices  # isort: skip
from harness.cli import _agent as _agent  # isort: skip
from harness.cli import _agent_remote as _agent_remote  # isort: skip
from harness.cli import _bundle as _bundle  # isort: skip
from harness.cli import _emulator as _emulator  # isort: skip
from harness.cli import _records as _records  # isort: skip
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
from harness.errors import EdgeleakError, InterruptedRunError, StorageError, UsageError

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

# A disk that is full, over quota, read-only or not ours.
STORAGE_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS})
# What typer makes of KeyboardInterrupt; it never reaches the shell.
INTERRUPTED = 130
# How long an interrupted command may take to put its things in order. A library's lock that the interrupt left taken
# would hold it for ever; what is on disk stands a kill at any moment.
ORDERLY_SECONDS = 6.0


def main(command: typer.Typer = app, *, name: str = "edgeleak") -> NoReturn:
    """Run a command line; every foreseen failure becomes one message and its documented exit code.

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
        code = command(prog_name=name, standalone_mode=False)
    except KeyboardInterrupt:  # outside what typer watches over
        code = INTERRUPTED
    except EdgeleakError as error:
        sys.exit(say(error))
    except Exception as error:
        # An interrupt that comes upon a library's lock leaves it as another error, about the lock.
        if not interrupts:
            sys.exit(say(_as_error(error, name)))
        code = INTERRUPTED
    if code == INTERRUPTED:
        sys.exit(say(_interrupted()))
    sys.exit(code if isinstance(code, int) else 0)


def _interrupted() -> InterruptedRunError:
    return InterruptedRunError("interrupted", hint="the same command resumes; finished work is kept")


def _end_late() -> None:
    time.sleep(ORDERLY_SECONDS)
    code = say(_interrupted())
    sys.stderr.flush()
    os._exit(code)


def _as_error(error: Exception, name: str) -> EdgeleakError:
    """A library's failure as an error of ours; one that nobody foresaw is raised."""
    if isinstance(error, TyperException):
        return UsageError(error.format_message(), hint=f"see {name} -h")
    if isinstance(error, OSError) and error.errno in STORAGE_ERRORS:
        return StorageError(
            f"{error.filename or 'run folder'}: {error.strerror}",
            hint="make room, or give another place with --run; the same command resumes",
        )
    raise error
