"""Converts classes from the names or numbers in a file to the numbers of a model: 0, 1, 2 ..."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.errors import InputError
from harness.types import Array, IntArray

__all__ = ["check_numbers", "number_classes"]

# More classes than any table has; a column of larger numbers does not hold classes.
MOST_CLASSES = 100_000


def number_classes(values: Sequence[str], where: str) -> tuple[IntArray, tuple[str, ...]]:
    """Number the classes: labels int64 ``[n]`` and the names of the classes.

    Whole numbers are used as they are, and every class must occur; other values are names, numbered in sorted order.

    Args:
        values: the column of classes, as written.
        where: file and column, for the messages.

    Raises:
        InputError: a cell is empty, a number is negative, or a class has no record.
    """
    stripped = [value.strip() for value in values]
    if "" in stripped:
        raise InputError(f"{where}: record {stripped.index('') + 1} has no label")
    if all(value.removeprefix("-").isdecimal() and value.isascii() for value in stripped):
        try:
            return check_numbers(np.array([int(value) for value in stripped], dtype=np.int64), where), ()
        except OverflowError:
            raise InputError(f"{where}: a label has too many digits", hint="number the classes from 0") from None
    names = sorted(set(stripped))
    number = {name: position for position, name in enumerate(names)}
    return np.array([number[value] for value in stripped], dtype=np.int64), tuple(names)


def check_numbers(labels: Array, where: str) -> IntArray:
    """Check whole-numbered labels: none is negative, and every class up to the largest occurs; returns int64.

    Raises:
        InputError: a label or a class is wrong; the message names the record or the class.
    """
    if labels.ndim != 1 or labels.dtype.kind not in "iub":
        raise InputError(f"{where}: labels are {labels.dtype} {labels.shape}, expected whole numbers or names, [n]")
    numbers = labels.astype(np.int64)
    bad = np.flatnonzero((numbers < 0) | (numbers >= MOST_CLASSES))
    if len(bad):
        raise InputError(
            f"{where}: record {int(bad[0]) + 1} has the label {int(numbers[bad[0]])}, outside 0..{MOST_CLASSES - 1}",
            hint="number the classes from 0",
        )
    empty = np.flatnonzero(np.bincount(numbers) == 0)
    if len(empty):
        raise InputError(
            f"{where}: class {int(empty[0])} has no record", hint="number the classes 0, 1, 2 ... or give names"
        )
    return numbers
