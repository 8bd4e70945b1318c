"""Silences converters down to the file descriptors, and attaches their output to the error when they fail."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import IO

from harness.errors import ArtifactError, EdgeleakError

__all__ = ["converting", "silence"]

# The descriptors belong to the whole process, so only one conversion may redirect them.
_DESCRIPTORS = threading.Lock()
# Length of the converter's output in a failure's note.
TAIL_CHARACTERS = 4000
# Converters colour their messages for terminals.
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@contextlib.contextmanager
def converting(what: str, *, place: Callable[[Exception], str] | None = None) -> Iterator[None]:
    """Run a conversion in silence; a failure becomes one line, with the converter's output as the error's note.

    Standard output and error of the whole process are redirected meanwhile, also for other threads: exports beside a
    progress display belong into a process of their own.

    Args:
        what: first part of the message, e.g. ``target/int8 to litert``.
        place: returns where in the model a failure lies; "" where that is not known.

    Raises:
        ArtifactError: the conversion failed.
    """
    with tempfile.TemporaryFile() as transcript:
        try:
            with silence(transcript):
                yield
        except EdgeleakError:
            raise
        except Exception as error:
            with silence():
                where = place(error) if place is not None else ""
            failure = ArtifactError(
                f"{what}: the conversion failed: {_reason(error)}" + (f"; at {where}" if where else ""),
                hint="the converter may not support an operation, or a branch that depends on the records",
            )
            transcript.seek(0)
            failure.add_note(transcript.read().decode(errors="replace")[-TAIL_CHARACTERS:])
            raise failure from error


def _reason(error: BaseException) -> str:
    """The first line of the innermost cause: the errors around it say which step failed, and not why."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = (COLOURS.sub("", line).strip() for line in str(error).splitlines())
    return f"{type(error).__name__}: {next(filter(None, lines), '')}"


@contextlib.contextmanager
def silence(transcript: IO[bytes] | None = None) -> Iterator[None]:
    """Redirect everything that the process prints, warns and logs, into ``transcript`` where one is given."""
    with contextlib.ExitStack() as undo:
        undo.enter_context(_DESCRIPTORS)
        target = transcript if transcript is not None else undo.enter_context(tempfile.TemporaryFile())
        undo.enter_context(_redirected(target))
        undo.enter_context(warnings.catch_warnings())
        undo.enter_context(_logging_off())
        warnings.simplefilter("ignore")
        _lock_progress_bars()
        yield


@contextlib.contextmanager
def _redirected(transcript: IO[bytes]) -> Iterator[None]:
    """Point descriptors 1 and 2, and the Python streams, at a file."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError, OSError):
            stream.flush()
    with contextlib.ExitStack() as undo:
        for descriptor in (1, 2):
            try:
                saved = os.dup(descriptor)
            except OSError:
                continue  # closed in this process, as in a daemon: there is nothing to silence
            undo.callback(os.close, saved)
            undo.callback(os.dup2, saved, descriptor)
            os.dup2(transcript.fileno(), descriptor)
        text = undo.enter_context(os.fdopen(os.dup(transcript.fileno()), "w", errors="replace"))
        with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
            yield


@functools.cache
def _lock_progress_bars() -> None:
    """Give tqdm a lock for threads only: its own is shared by processes and outlives a worker that is stopped."""
    with contextlib.suppress(ImportError):
        from tqdm import tqdm

        tqdm.set_lock(threading.RLock())


@contextlib.contextmanager
def _logging_off() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
