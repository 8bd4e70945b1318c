"""Loss matrices from one ``.npz`` file: what a user brings who makes candidates elsewhere."""

from __future__ import annotations

from pathlib import Path

from harness.data.npz import Archive
from harness.errors import InputError
from harness.mis._matrix import checked
from harness.types import FloatArray

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
    with Archive.open(file) as archive:
        keys = [key for key in archive.under(PREFIX) if key != PREFIX]
        if not keys:
            present = ", ".join(archive.keys) or "none"
            raise InputError(f"{file}: no key losses/<quantizer>; present: {present}")
        matrices = {key.removeprefix(PREFIX): checked(archive.array(key), name=f"{file}: {key}") for key in keys}
    _same_length(matrices, file)
    return matrices


def _same_length(matrices: dict[str, FloatArray], file: Path) -> None:
    sizes = {name: m.shape[1] for name, m in matrices.items()}
    first, n = next(iter(sizes.items()))
    for name, size in sizes.items():
        if size != n:
            raise InputError(f"{file}: losses/{name} has {size} records where losses/{first} has {n}")
