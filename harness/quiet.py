"""Converters that talk: silenced down to the file descriptors, and quoted when they fail."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from typing import IO

from harness.errors import ArtifactError, EdgeleakError

__all__ = ["converting", "quiet"]

# The descriptors belong to the whole process, so only one conversion may hold them.
_DESCRIPTORS = threading.Lock()
# What of the converter's own words goes into a failure's note.
TAIL_CHARACTERS = 4000


@contextlib.contextmanager
def converting(what: str) -> Iterator[None]:
    """Run a conversion in silence; a failure becomes one line, with the converter's words as the error's note.

    Standard output and error of the whole process are held meanwhile, also for other threads: exports that run beside
    a progress display belong into a process of their own.

    Args:
        what: begins the message, e.g. ``target/int8 to litert``.

    Raises:
        ArtifactError: the conversion failed.
    """
    with tempfile.TemporaryFile() as transcript:
        try:
            with quiet(transcript):
                yield
        except EdgeleakError:
            raise
        except Exception as error:
            first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
            failure = ArtifactError(
                f"{what}: the conversion failed: {type(error).__name__}: {first}",
                hint="the converter may not know an operation, or not follow a branch that depends on the records",
            )
            transcript.seek(0)
            failure.add_note(transcript.read().decode(errors="replace")[-TAIL_CHARACTERS:])
            raise failure from error


@contextlib.contextmanager
def quiet(transcript: IO[bytes] | None = None) -> Iterator[None]:
    """Hold everything that the process prints, warns and logs; into ``transcript`` where one is given."""
    with contextlib.ExitStack() as undo:
        undo.enter_context(_DESCRIPTORS)
        held = transcript if transcript is not None else undo.enter_context(tempfile.TemporaryFile())
        undo.enter_context(_held(held))
        undo.enter_context(warnings.catch_warnings())
        undo.enter_context(_logging_off())
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _held(transcript: IO[bytes]) -> Iterator[None]:
    """Point descriptors 1 and 2, and the Python streams, at a file."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError, OSError):
            stream.flush()
    with contextlib.ExitStack() as undo:
        for descriptor in (1, 2):
            try:
                saved = os.dup(descriptor)
            except OSError:
                continue  # closed in this process, as in a daemon: nothing to silence
            undo.callback(os.close, saved)
            undo.callback(os.dup2, saved, descriptor)
            os.dup2(transcript.fileno(), descriptor)
        text = undo.enter_context(os.fdopen(os.dup(transcript.fileno()), "w", errors="replace"))
        with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
            yield


@contextlib.contextmanager
def _logging_off() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
