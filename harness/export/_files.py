"""Files that are whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import StorageError

__all__ = ["write"]


def write(path: Path, content: bytes) -> None:
    """Write beside the place and rename: whoever finds the file finds all of it.

    Raises:
        StorageError: it cannot be written.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise StorageError(f"{path}: cannot be written: {error.strerror}", hint="free some space") from error
