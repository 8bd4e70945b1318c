"""Records that somebody else stored: an .npz file with ``n`` records and these keys.

::

    inputs, or inputs/<name> for each input    [n, ...]   as the model's author feeds them
    labels                                     int  [n]   true classes, from 0
    membership                                 0/1  [n]   optional: who was in the training set
    groups/<name>                              int or text [n]   optional: leakage is reported by its values
    canary, or as the audit names it           0/1  [n]   optional: records inserted on purpose, by a fair coin
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.data.groups import as_canary, as_column
from harness.data.npz import Archive
from harness.errors import InputError
from harness.types import Array, IntArray, Records

__all__ = ["read"]

# The array of canaries where none is named.
CANARY = "canary"
FED = ("int8", "uint8", "int32", "int64")


def read(
    path: Path, *, labelled: bool = True, groups: Sequence[str] | None = None, canary: str | None = CANARY
) -> tuple[Records, IntArray | None]:
    """Read records, with every array checked.

    Args:
        path: the file.
        labelled: refuse a file without labels; otherwise they are zeros.
        groups: columns of groups to read where they are there; None reads all.
        canary: name of the array that marks canaries, read where it is there; None reads none.

    Returns:
        The records, under the names of their inputs (``inputs`` where there is one), and who is a member, 0 or 1
        ``[n]``, where the file says.

    Raises:
        InputError: the file or one of its arrays cannot be used; the message names the file and the key.
    """
    with Archive.open(path) as archive:
        keys = archive.under("inputs/")
        if keys and "inputs" in archive.keys:
            raise InputError(f"{path}: key inputs: there is {keys[0]} too", hint="give one input, or named ones")
        inputs = {key.removeprefix("inputs/"): _input(archive, key) for key in keys or ("inputs",)}
        n = len(next(iter(inputs.values())))
        labels = np.zeros(n, dtype=np.int64)
        if labelled or "labels" in archive.keys:
            labels = _integers(archive, "labels")
        membership = _integers(archive, "membership") if "membership" in archive.keys else None
        columns = _groups(archive, groups)
        marks = None
        if canary is not None and canary in archive.keys:
            marks = as_canary(archive.array(canary), where=f"{path}: key {canary}")
        if unknown := archive.unread():
            raise InputError(
                f"{path}: key {unknown[0]} is not one that records have",
                hint='name it as canary = "canary" under [records], or leave it out'
                if unknown[0] == CANARY and canary is None
                else "inputs, or inputs/<name> for several; labels; membership; groups/<name>; canary",
            )
    if membership is not None and (len(membership) != len(labels) or not np.isin(membership, (0, 1)).all()):
        raise InputError(f"{path}: key membership: expected 0 or 1 for each of {len(labels)} labels")
    if len(labels) and labels.min() < 0:
        raise InputError(f"{path}: key labels: record {int(labels.argmin())} has label {labels.min()}, below 0")
    try:
        return Records(inputs, labels, np.arange(len(labels)), columns, marks), membership
    except InputError as error:
        raise InputError(f"{path}: {error.message}", hint=error.hint) from None


def _groups(archive: Archive, wanted: Sequence[str] | None) -> dict[str, Array]:
    """The columns of groups that are wanted and there; every one is read, so that none is an unknown key."""
    prefix = "groups/"
    names = {key.removeprefix(prefix): archive.array(key) for key in archive.under(prefix)}
    return {
        name: as_column(values, where=f"{archive.path}: key {prefix}{name}")
        for name, values in names.items()
        if wanted is None or name in wanted
    }


def _integers(archive: Archive, key: str) -> IntArray:
    values = archive.array(key)
    if values.ndim != 1 or values.dtype.kind not in "iubf":
        raise InputError(f"{archive.path}: key {key}: expected integers [n], got {values.dtype} {list(values.shape)}")
    with np.errstate(invalid="ignore"):  # NaN and infinity become some integer, which then differs from them
        integers = values.astype(np.int64)
    same = np.asarray(integers == values)
    if not same.all():
        raise InputError(f"{archive.path}: key {key}: record {int(np.argmin(same))} is not an integer")
    return integers


def _input(archive: Archive, key: str) -> Array:
    values = archive.array(key)
    if values.ndim == 0:
        raise InputError(f"{archive.path}: key {key}: a single number, expected a row for each record")
    if values.dtype.kind == "f":
        # No runtime is fed doubles or halves; an app would do the same with them.
        return values.astype(np.float32, copy=False)
    if values.dtype.name not in FED:
        raise InputError(
            f"{archive.path}: key {key} has type {values.dtype}, which no runtime is fed",
            hint=f"store float32, {', '.join(FED)}, as your app feeds the model",
        )
    return values
