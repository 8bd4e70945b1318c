"""Compact tables for a terminal: numbers stay on one line, and names are broken at blanks and hyphens."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from harness.report import _format
from harness.types import Estimate

__all__ = ["STYLES", "Name", "add_row", "compact", "new_table"]

# Words carry an outcome; colour only helps to find it.
STYLES = {"pass": "bold green", "fail": "bold red", "inconclusive": "bold yellow"}

# A part of a name longer than this may be broken anywhere.
UNBROKEN = 12


def compact(estimate: Estimate | None, style: Callable[[float], str] = _format.ratio) -> str:
    """The interval as statistics tables print it, ``.640 [.580,.700]``: two of them fit into 80 columns.

    A share has one sign of per cent, ``12.3% [8.1,17.0]``; one that ties hide says how many are tied.
    """
    if share := _format.tied(estimate):
        return f"{_format.percent(share)} tied"
    plain = _format.interval(estimate, style).replace(", ", ",")
    if "%" not in plain:
        return re.sub(r"\b0\.", ".", plain)
    value, bracket, ends = plain.partition(" [")
    return value + bracket + ends.replace("%", "")


def new_table(title: str, left: Sequence[str], right: Sequence[str], more: Sequence[str] = ()) -> Table:
    """An empty table: names, numbers, and more names."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in left:
        table.add_column(name, overflow="fold")
    for name in right:
        # Numbers stay on one line; names give way.
        table.add_column(name, no_wrap=True, overflow="fold", justify="right")
    for name in more:
        table.add_column(name, overflow="fold")
    return table


def add_row(table: Table, *cells: str) -> None:
    """Add a row; nothing in it is read as markup."""
    columns = zip(table.columns, cells, strict=True)
    table.add_row(*(Text(cell) if column.no_wrap else Name(cell) for column, cell in columns))


class Name:
    """A cell that is broken after blanks and hyphens: rich alone would break ``int8-dynamic`` before its last letter.

    Not a plain string, which would be read as markup: some of these come from the device.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        parts = re.findall(r"[^\s-]+-?", self.text)
        least = min(UNBROKEN, max(map(len, parts), default=1))
        return Measurement(least, max(least, len(self.text))).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text("\n".join(textwrap.wrap(self.text, options.max_width)), overflow="fold")
