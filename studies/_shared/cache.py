"""Intermediate results on disk: made once, whole or not at all, and used again while their name's digest holds."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.npz import Archive
from harness.errors import InputError, RunError
from harness.files import write
from harness.types import Array

__all__ = ["cached_arrays", "cached_json", "digest", "file_digest"]


def digest(value: object) -> str:
    """Short digest of a JSON-able value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", hint=f"give the folder that holds {path.name}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def cached_json(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The object in a JSON file, made and written where there is none.

    Raises:
        RunError: the file is damaged.
        StorageError: it cannot be written.
    """
    if not path.exists():
        write(path, json.dumps(make(), indent=1, allow_nan=False).encode() + b"\n", parents=True)
    try:
        value = json.loads(path.read_bytes())
        if not isinstance(value, dict):
            raise ValueError(f"holds a {type(value).__name__}, not an object")
    except (ValueError, OSError) as error:
        raise RunError(f"{path}: damaged: {error}", hint="delete it and run again") from None
    return value


def cached_arrays(path: Path, make: Callable[[], Mapping[str, Array]]) -> dict[str, Array]:
    """The arrays in an .npz file, made and written where there is none.

    Raises:
        RunError: the file is damaged.
        StorageError: it cannot be written.
    """
    if not path.exists():
        buffer = io.BytesIO()
        arrays: dict[str, Any] = dict(make())
        np.savez_compressed(buffer, **arrays)
        write(path, buffer.getvalue(), parents=True)
    try:
        with Archive.open(path) as archive:
            return {key: archive.array(key) for key in archive.keys}
    except InputError as error:
        raise RunError(error.message, hint=f"delete {path.name} and run again") from None
