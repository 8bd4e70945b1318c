"""Loss matrices from one ``.npz`` file: what a user brings who makes candidates elsewhere."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from harness.errors import InputError
from harness.mis._matrix import checked
from harness.types import Array, FloatArray

__all__ = ["load"]

PREFIX = "losses/"


def load(path: str | Path) -> dict[str, FloatArray]:
    """Read ``losses/<quantizer>``, ``[candidates, evaluation records]`` each, from an ``.npz`` file.

    Other keys are left alone. Nothing is unpickled.

    Args:
        path: the file.

    Returns:
        Quantizer -> matrix, in the file's order; float32 or float64 as stored.

    Raises:
        InputError: no such file, not an ``.npz``, no quantizer, NaN or infinity, too few records, or numbers of records
            that differ; the key is named.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:  # numpy leaves its own handle open where the archive turns out damaged
            matrices = _matrices(stream, file)
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        raise InputError(f"{file}: not a readable .npz file ({error})") from error
    _same_length(matrices, file)
    return matrices


def _matrices(stream: BinaryIO, file: Path) -> dict[str, FloatArray]:
    archive = np.load(stream, allow_pickle=False)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise InputError(f"{file}: a single array, expected an .npz", hint="np.savez(path, **{'losses/int8': matrix})")
    with archive:
        keys = [key for key in archive.files if key.startswith(PREFIX) and len(key) > len(PREFIX)]
        if not keys:
            present = ", ".join(archive.files) or "none"
            raise InputError(f"{file}: no key losses/<quantizer>; present: {present}")
        return {key[len(PREFIX) :]: checked(_read(archive, key, file), name=f"{file}: {key}") for key in keys}


def _read(archive: np.lib.npyio.NpzFile, key: str, file: Path) -> Array:
    try:
        return np.asarray(archive[key])
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise InputError(f"{file}: {key} holds objects or is damaged ({error})", hint="store float arrays") from error


def _same_length(matrices: dict[str, FloatArray], file: Path) -> None:
    sizes = {name: m.shape[1] for name, m in matrices.items()}
    first, n = next(iter(sizes.items()))
    for name, size in sizes.items():
        if size != n:
            raise InputError(f"{file}: losses/{name} has {size} records where losses/{first} has {n}")
