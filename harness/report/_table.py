"""What a table of the report is: plain cells in rows and columns, without a word of HTML."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from harness.report import _format
from harness.report._clean import NOT_AVAILABLE, TEXT_LIMIT, clean
from harness.types import Estimate, View

__all__ = ["Cell", "Column", "Row", "Table", "estimate_cell", "location", "make_table", "number_cell", "text_cell"]

Item = TypeVar("Item")


@dataclass(frozen=True)
class Cell:
    """A text, how it was made (shown on hover and to screen readers), whether it is a number, and a remark below."""

    text: str
    hint: str = ""
    numeric: bool = False
    note: str = ""


@dataclass(frozen=True)
class Row:
    """Cells of one row; a control's row is set apart from findings."""

    cells: tuple[Cell, ...]
    control: bool = False


@dataclass(frozen=True)
class Table:
    """A table with its caption and columns."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Column(Generic[Item]):
    """A column and how its cells are made.

    Args:
        title: its heading.
        cell: an item's cell.
        optional: left out where no item has anything to show, whatever the subject is.
    """

    title: str
    cell: Callable[[Item], Cell]
    optional: bool = False


def text_cell(value: object, *, limit: int = TEXT_LIMIT) -> Cell:
    """A text that is not ours, cleaned."""
    return Cell(clean(value, limit=limit))


def number_cell(text: str, hint: str = "") -> Cell:
    """A number as text."""
    return Cell(text, hint, numeric=True)


def estimate_cell(estimate: Estimate | None, style: Callable[[float], str] = _format.ratio) -> Cell:
    """An estimate with its interval; its hint says how it was made."""
    return number_cell(_format.interval(estimate, style), _format.hint(estimate))


def make_table(
    caption: str,
    columns: Sequence[Column[Item]],
    items: Sequence[Item],
    *,
    is_control: Callable[[Item], bool] = lambda _item: False,
    keep_empty: bool = True,
) -> Table:
    """The table of these items; columns without any content are left out where they are optional, or all may be."""
    cells = [[column.cell(item) for item in items] for column in columns]
    kept = [
        number
        for number, column in enumerate(columns)
        if (keep_empty and not column.optional) or any(cell.text != NOT_AVAILABLE for cell in cells[number])
    ]
    rows = tuple(
        Row(tuple(cells[number][line] for number in kept), is_control(item)) for line, item in enumerate(items)
    )
    return Table(caption, tuple(columns[number].title for number in kept), rows)


def location(view: View) -> str:
    """Where a view's variants run: the runtime and, where several were asked, the device."""
    return ", ".join(clean(part) for part in (view.runtime, view.device) if part) or NOT_AVAILABLE
