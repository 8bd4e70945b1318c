"""Files that are whole or not there."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from harness.errors import StorageError

__all__ = ["write"]


def write(path: Path, content: bytes, *, parents: bool = False) -> None:
    """Write beside the place and rename: whoever finds the file finds all of it.

    Args:
        path: where it goes.
        content: all of it.
        parents: make the folder, too.

    Raises:
        StorageError: it cannot be written.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        if parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror}", hint="free some space") from error
    finally:
        with contextlib.suppress(OSError):  # a place that could not be written may not be looked at either
            draft.unlink(missing_ok=True)
