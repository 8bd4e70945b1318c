"""What a table of the report is: plain cells in rows and columns, without a word of HTML."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from harness.report import _format
from harness.report._clean import NOT_AVAILABLE, REASON_LIMIT, TEXT_LIMIT, clean
from harness.types import Estimate, View

__all__ = [
    "Cell",
    "Column",
    "Row",
    "Table",
    "estimate_cell",
    "location",
    "make_table",
    "number_cell",
    "seen_cell",
    "text_cell",
]

Item = TypeVar("Item")


@dataclass(frozen=True)
class Cell:
    """One cell.

    Args:
        text: what it says.
        numeric: it is a number, which is sorted as one.
        note: a remark below.
        sort: what it is sorted by, where the text does not begin with it.
        mark: an outcome that colours it: pass, fail or inconclusive.
    """

    text: str
    numeric: bool = False
    note: str = ""
    sort: float | None = None
    mark: str = ""


@dataclass(frozen=True)
class Row:
    """Cells of one row; a control's row is set apart from findings."""

    cells: tuple[Cell, ...]
    control: bool = False


@dataclass(frozen=True)
class Table:
    """A table with its caption and columns.

    Args:
        caption: what it shows.
        columns: the headings.
        rows: cells in the order of the columns.
        filters: numbers of the columns whose values a reader may choose from.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    filters: tuple[int, ...] = ()

    def top(self, count: int, caption: str) -> Table:
        """The first rows that are no controls, as a table of its own."""
        rows = tuple(row for row in self.rows if not row.control)[:count]
        return Table(caption, self.columns, rows)

    def with_filters(self, *columns: str) -> Table:
        """The table with filters for these columns, as far as it has them."""
        return replace(self, filters=tuple(self.columns.index(name) for name in columns if name in self.columns))

    def only(self, *columns: str) -> Table:
        """The table with these columns alone, as far as it has them, in this order."""
        kept = [self.columns.index(name) for name in columns if name in self.columns]
        rows = tuple(Row(tuple(row.cells[number] for number in kept), row.control) for row in self.rows)
        return Table(self.caption, tuple(self.columns[number] for number in kept), rows)


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


def number_cell(text: str, *, note: str = "", sort: float | None = None) -> Cell:
    """A number as text."""
    return Cell(text, numeric=True, note=note, sort=sort)


def estimate_cell(
    estimate: Estimate | None, style: Callable[[float], str] = _format.ratio, *, note: str = "", scaled: bool = False
) -> Cell:
    """An estimate with its interval; ``scaled`` where its unit differs from cell to cell."""
    sort = estimate.value if scaled and estimate is not None and estimate.value == estimate.value else None
    return number_cell(_format.interval(estimate, style), note=note, sort=sort)


def seen_cell(view: View) -> Cell:
    """What an adversary looks at."""
    return text_cell(" + ".join(map(clean, view.variants)), limit=REASON_LIMIT)


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
