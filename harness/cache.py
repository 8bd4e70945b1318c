"""The folder of what takes long to make and can be made again: bundles of the agent, images of the emulated phone."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from harness.errors import StorageError

__all__ = ["cache_dir", "locked", "room_for"]


def cache_dir() -> Path:
    """``$EDGELEAK_CACHE_DIR``, or ``edgeleak`` in the user's cache folder; it may not exist yet."""
    chosen = os.environ.get("EDGELEAK_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "edgeleak"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only process that changes a folder, which is made where it is not there; the others wait.

    Args:
        folder: in the cache.

    Raises:
        StorageError: it cannot be written.
    """
    with room_for(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def room_for(folder: Path) -> Iterator[None]:
    """A full or read-only disk as one error that says what to do.

    Args:
        folder: that is written.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot be written: {error.strerror or error}", hint="make room, or set EDGELEAK_CACHE_DIR"
        ) from error
