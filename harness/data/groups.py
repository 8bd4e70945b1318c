"""Columns of groups: what a person says that each record belongs to, so that leakage can be shown group by group."""

from __future__ import annotations

import numpy as np

from harness.errors import InputError
from harness.types import Array, IntArray

__all__ = ["CLASS", "MOST_VALUES", "as_canary", "as_column", "check_name", "require_few"]

# What the slices of the true classes are called; no column of groups may have this name.
CLASS = "class"
# A column with more values is a number or a name, and not a group: its slices would be too small to say anything.
MOST_VALUES = 50


def check_name(name: str, *, where: str) -> None:
    """Raise unless a column of groups may be called so.

    Raises:
        InputError: it is empty, cannot be printed, or is the name of the classes' own slices.
    """
    if not name or not name.isprintable():
        raise InputError(f"{where}: {name!r} cannot name a column of groups", hint="give it a printable name")
    if name == CLASS:
        raise InputError(
            f"{where}: {CLASS!r} cannot name a column of groups: the true classes have slices of this name already",
            hint="leave it out, or rename it",
        )


def as_column(values: Array, *, where: str) -> Array:
    """A column of groups as int64 or texts ``[n]``.

    Args:
        values: as they were stored.
        where: how messages call the column.

    Raises:
        InputError: it is no vector of whole numbers or texts, or has more than 50 values.
    """
    if values.ndim != 1:
        raise InputError(f"{where} has shape {list(values.shape)}, expected [n]")
    if values.dtype.kind not in "iubU":
        raise InputError(
            f"{where} has type {values.dtype}, expected integers or texts",
            hint="round numbers into bins; store texts as numpy.str_, never as objects",
        )
    if values.dtype.kind == "u" and len(values) and int(values.max()) >= 2**63:
        raise InputError(f"{where} holds numbers beyond 64 bits, expected integers or texts")
    column: Array = values if values.dtype.kind == "U" else values.astype(np.int64)
    require_few(column, where=where)
    return column


def as_canary(values: Array, *, where: str) -> IntArray:
    """Marks of canaries as int64 ``[n]``.

    Raises:
        InputError: it is no vector of 0 and 1.
    """
    if values.ndim != 1 or values.dtype.kind not in "iubf" or not np.isin(values, (0, 1)).all():
        raise InputError(f"{where}: expected 0 or 1 for each record", hint="1 for canaries, 0 for all others")
    return values.astype(np.int64)


def require_few(column: Array, *, where: str) -> None:
    """Raise where a column has too many values to be one of groups.

    Raises:
        InputError: it has; the message says how many.
    """
    count = len(np.unique(column))
    if count > MOST_VALUES:
        raise InputError(
            f"{where} has {count} different values, a column of groups at most {MOST_VALUES}",
            hint="put them into bins first, e.g. ages into decades",
        )
