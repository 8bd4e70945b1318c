"""The cells of a table of answers, and what they say: true classes, memberships, ids and groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data.answer_columns import Layout
from harness.data.groups import as_column
from harness.errors import InputError
from harness.types import Array, IntArray

__all__ = ["QUOTED", "Cells", "classes_of", "groups_of", "ids_of", "marks_of"]

# Words of membership, in lower case.
MEMBER = {"1": 1, "true": 1, "member": 1, "0": 0, "false": 0, "nonmember": 0, "non-member": 0}
# As much of a cell as a message quotes.
QUOTED = 40


@dataclass(eq=False)
class Cells:
    """What a table holds.

    Args:
        source: how messages call it.
        columns: names of the columns.
        layout: what they mean.
        texts: column -> its cells as they were written, for columns that say something of each record.
        numbers: ``kind/variant`` -> ``[n, C]``.
        lines: the line of each row, where the table is a text; None where rows are counted from 1.
    """

    source: Path | str
    columns: Sequence[str]
    layout: Layout
    texts: Mapping[str, Sequence[object]]
    numbers: dict[str, Array]
    lines: Sequence[int] | None = None

    def column(self, key: str, place: int) -> str:
        """The name of the column at a place of one variant's answers."""
        return self.columns[self.layout.answers[key][place]]

    def row(self, row: int) -> str:
        """How a person finds a row, given its number from 0."""
        return f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"

    def where(self, row: int, column: str) -> str:
        """The beginning of a message about one cell."""
        return f"{self.source}: {self.row(row)}, column{'s' if ' to ' in column else ''} {column}"


def classes_of(cells: Cells, column: str, layout: Layout) -> IntArray:
    """The true classes as int64 ``[n]``.

    Raises:
        InputError: a cell is no class of the answers; its row is named.
    """
    known = None if layout.classes is None else {name: k for k, name in enumerate(layout.classes)}
    found = np.empty(len(cells.texts[column]), dtype=np.int64)
    meant: dict[object, int] = {}
    for row, cell in enumerate(cells.texts[column]):
        number = meant.get(cell)
        if number is None:
            number = _number(cell) if known is None else known.get(str(cell).strip())
            if number is None or not 0 <= number < layout.n_classes:
                expected = (
                    f"a class number from 0 to {layout.n_classes - 1}"
                    if layout.classes is None
                    else f"one of the classes that columns name: {', '.join(layout.classes[:8])}"
                    + (", ..." if layout.n_classes > 8 else "")
                )
                raise InputError(f"{cells.where(row, column)}: {_quoted(cell)}, expected {expected}")
            meant[cell] = number
        found[row] = number
    return found


def marks_of(cells: Cells, column: str) -> IntArray:
    """A column of yes and no as int64 ``[n]`` of 1 and 0.

    Raises:
        InputError: a cell is neither; its row is named.
    """
    found = np.empty(len(cells.texts[column]), dtype=np.int64)
    for row, cell in enumerate(cells.texts[column]):
        # 1.0 is what a DataFrame makes of 1 beside an empty cell, and True equals 1.
        number = cell if isinstance(cell, int | float) else MEMBER.get(str(cell).strip().lower(), _number(cell))
        if number not in (0, 1):
            words = "0 or 1, true or false" + (", member or nonmember" if column == "membership" else "")
            raise InputError(f"{cells.where(row, column)}: {_quoted(cell)}, expected {words}")
        found[row] = int(number)
    return found


def ids_of(cells: Cells, column: str) -> list[int] | list[str]:
    """The ids: whole numbers where all are, else texts.

    Raises:
        InputError: one is empty, or occurs twice; both rows are named.
    """
    found = cells.texts[column]
    numbers = [_number(cell) for cell in found]
    whole = [number for number in numbers if number is not None and -(2**63) <= number < 2**63]
    texts = [str(cell).strip() for cell in found]
    ids: list[int] | list[str] = whole if len(whole) == len(texts) else texts
    first: dict[object, int] = {}
    for row, one in enumerate(ids):
        if one == "":
            raise InputError(f"{cells.where(row, column)}: the cell is empty", hint="give each record an id of its own")
        before = first.setdefault(one, row)
        if before != row:
            raise InputError(
                f"{cells.where(row, column)}: {_quoted(one)} is the id of {cells.row(before)} too",
                hint="give each record an id of its own",
            )
    return ids


def groups_of(cells: Cells, column: str) -> Array:
    """A column of groups as int64 or texts ``[n]``.

    Raises:
        InputError: it has too many values to be one.
    """
    found = cells.texts[column]
    numbers = [_number(cell) for cell in found]
    values = np.array([str(cell) for cell in found] if None in numbers else numbers)
    if values.dtype.kind not in "iU":
        values = np.array([str(cell) for cell in found])
    return as_column(values, where=f"{cells.source}: column {column}")


def _number(cell: object) -> int | None:
    """A cell as a whole number; None where it is not one."""
    if isinstance(cell, int):
        return int(cell)
    if isinstance(cell, float):
        return int(cell) if cell.is_integer() else None
    text = str(cell).strip()
    digits = text.removeprefix("-")
    # Python reads underscores and other scripts' digits, too, and refuses numbers of thousands of digits.
    return int(text) if digits.isascii() and digits.isdecimal() and len(digits) <= 20 else None


def _quoted(cell: object) -> str:
    text = str(cell)
    return repr(text[:QUOTED]) if text.strip() else "the cell is empty"
