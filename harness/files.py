"""Files that are whole or not there: the one way in which the harness writes a file."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from harness.errors import StorageError

__all__ = ["replacing", "write"]

# What a run holds is for its owner; a page of documentation is for whoever may read the folder.
PRIVATE, SHARED = 0o600, 0o644


def write(path: Path, content: bytes, *, parents: bool = False, private: bool = True) -> None:
    """Write a file under a temporary name beside its place and rename it: readers see the old file or the new one.

    Args:
        path: where it goes.
        content: all of it.
        parents: make the folder, too.
        private: readable by its owner only.

    Raises:
        StorageError: it cannot be written.
    """
    with replacing(path, parents=parents, private=private) as stream:
        stream.write(content)


@contextlib.contextmanager
def replacing(path: Path, *, parents: bool = False, private: bool = True) -> Iterator[IO[bytes]]:
    """A stream whose content takes the file's place when the block ends, and leaves nothing when it fails.

    Raises:
        StorageError: the file cannot be written.
    """
    draft: Path | None = None
    try:
        if parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        draft = Path(name)
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fchmod(stream.fileno(), PRIVATE if private else SHARED)
            os.fsync(stream.fileno())
        draft.replace(path)
        draft = None
        _sync(path.parent)
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written: {error.strerror or error}", hint="make room, or choose another folder"
        ) from error
    finally:
        if draft is not None:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Make a rename last through a loss of power, where the file system lets a folder be synchronised."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
