"""Writes a file whole or not at all."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from harness.errors import InputError, StorageError

__all__ = ["plain", "write_text"]


def write_text(path: Path, content: str) -> None:
    """Write UTF-8 text under a temporary name in the same folder, then rename it: readers see the old or the new file.

    The file is readable by its owner only, like everything in a run.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}", hint="free space or choose another folder") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def plain(value: object, *, key: str = "report") -> object:
    """The value in JSON's own types: tuples become lists, numpy numbers Python's, NaN and infinity null.

    Raises:
        InputError: something that JSON cannot hold; the message names where.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise InputError(f"{key}: a key is no string; a JSON object has strings for keys")
        return {name: plain(item, key=f"{key}/{name}") for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, key=f"{key}/{i}") for i, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise InputError(f"{key}: a {type(value).__name__} cannot be written as JSON")
