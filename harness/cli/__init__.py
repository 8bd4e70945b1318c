"""The command line: verbs, no logic. Progress goes to stderr, results to stdout.

Exit codes: 0 pass, 1 gate failed, 2 inconclusive, 3 internal or device error, 4 usage or configuration.
"""

from __future__ import annotations

import errno
import logging
import signal
import sys
from types import FrameType
from typing import NoReturn

from typer.exceptions import TyperException

# In the order in which help lists their verbs.
from harness.cli import _audits as _audits
from harness.cli import _models as _models
from harness.cli import _studies as _studies

from harness.cli import _machine as _machine  # isort: skip
from harness.cli._app import app, say
from harness.errors import EdgeleakError, InterruptedRunError, StorageError, UsageError

__all__ = ["main"]

# A disk that is full, over quota, read-only or not ours.
STORAGE_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS})
# What typer makes of KeyboardInterrupt; it never reaches the shell.
INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command line; every foreseen failure becomes one message and its documented exit code."""
    interrupts: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        interrupts.append(number)
        # What libraries' threads have in hand fails at the end, and they would log a traceback for each.
        logging.disable(logging.CRITICAL)
        raise KeyboardInterrupt

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, interrupt)
        code = app(standalone_mode=False)
    except KeyboardInterrupt:  # outside what typer watches over
        code = INTERRUPTED
    except EdgeleakError as error:
        sys.exit(say(error))
    except Exception as error:
        # An interrupt that comes upon a library's lock leaves it as another error, about the lock.
        if not interrupts:
            sys.exit(say(_told(error)))
        code = INTERRUPTED
    if code == INTERRUPTED:
        sys.exit(say(InterruptedRunError("interrupted", hint="the same command resumes; finished work is kept")))
    sys.exit(code if isinstance(code, int) else 0)


def _told(error: Exception) -> EdgeleakError:
    """The failure as the user is told of it; one that nobody foresaw is raised."""
    if isinstance(error, TyperException):
        return UsageError(error.format_message(), hint="see edgeleak -h")
    if isinstance(error, OSError) and error.errno in STORAGE_ERRORS:
        return StorageError(
            f"{error.filename or 'run folder'}: {error.strerror}",
            hint="make room, or give another place with --run; the same command resumes",
        )
    raise error
