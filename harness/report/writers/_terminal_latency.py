"""Latency for a terminal: percentiles in one unit, the ratio to the original, cold starts, and what throttled."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from harness.report import _format, _latency_tables
from harness.report._clean import NOT_AVAILABLE, clean
from harness.report.model import ArtifactRow, Report
from harness.report.writers.terminal_table import add_row, compact, new_table
from harness.results import Latency
from harness.types import Estimate

__all__ = ["latency_parts"]

_Row = tuple[ArtifactRow, Latency]
_Column = tuple[str, Callable[[_Row], str]]
_NAMES: tuple[_Column, ...] = (("Variant", lambda row: clean(row[0].name)),)
# From here on a figure has no decimals, and from the other on one: three digits say what a percentile can say.
_NO_DECIMALS, _ONE_DECIMAL = 100, 10


def latency_parts(report: Report) -> list[RenderableType]:
    """The tables and sentences; none where nothing was timed."""
    rows = _latency_tables.measured(report)
    if not rows:
        return []
    # A table a runtime: three percentiles with their intervals leave no room for its name.
    parts: list[RenderableType] = []
    for runtime in dict.fromkeys(row.artifact.runtime for row, _ in rows):
        own = [row for row in rows if row[0].artifact.runtime == runtime]
        parts += [_times(own, clean(runtime)), *_beside(own, clean(runtime))]
    reasons = sorted({clean(latency.not_compared) for _, latency in rows if latency.not_compared})
    parts += [Text(f"Not compared by latency: {reason}.", overflow="fold") for reason in reasons]
    return parts + [Text(line, overflow="fold") for line in _latency_tables.throttled_sentences(report)]


def _times(rows: list[_Row], runtime: str) -> Table:
    unit, size = _latency_tables.unit_of(rows)

    def shown(estimate: Estimate | None) -> str:
        return compact(estimate, lambda value: _digits(value / size))

    numbers: list[_Column] = [
        ("p50", lambda row: shown(row[1].p50_ns)),
        ("p90", lambda row: shown(row[1].p90_ns)),
        ("p99", lambda row: shown(row[1].p99_ns)),
    ]
    return _table(f"Latency on {runtime}, {unit} ({_setting(rows)})", rows, numbers)


def _beside(rows: list[_Row], runtime: str) -> list[Table]:
    """The ratio to the original, and cold starts; nothing where neither is known."""

    def time(value: int | None) -> str:
        return NOT_AVAILABLE if value is None else _format.duration(value)

    numbers: list[_Column] = [
        ("Ratio", lambda row: compact(row[1].ratio, lambda value: f"{value:.2f}")),
        ("Cold load", lambda row: time(row[1].cold_load_ns)),
        ("First run", lambda row: time(row[1].first_inference_ns)),
        ("Peak", lambda row: _format.bytes_text(row[1].peak_bytes)),
    ]
    words: _Column = ("Difference", lambda row: _latency_tables.difference(row[1]))
    if all(cell(row) == NOT_AVAILABLE for _, cell in (*numbers, words) for row in rows):
        return []
    return [_table(f"Medians beside the original's on {runtime}", rows, numbers, words)]


def _table(title: str, rows: list[_Row], numbers: list[_Column], *words: _Column) -> Table:
    """A table without the columns that have nothing to show."""
    left, right, more = (
        [column for column in columns if any(column[1](row) != NOT_AVAILABLE for row in rows)]
        for columns in (_NAMES, numbers, words)
    )
    table = new_table(title, *([name for name, _ in columns] for columns in (left, right, more)))
    for row in rows:
        add_row(table, *(cell(row) for _, cell in (*left, *right, *more)))
    return table


def _digits(value: float) -> str:
    return f"{value:.{0 if value >= _NO_DECIMALS else 1 if value >= _ONE_DECIMAL else 2}f}"


def _setting(rows: list[_Row]) -> str:
    """What all files have in common; runs are a range where they differ."""
    runs = sorted({latency.runs for _, latency in rows})
    counted = _format.counted(runs[0], "run") if len(runs) == 1 else f"{runs[0]} to {runs[-1]} runs"
    settings = dict.fromkeys(
        f"{_format.counted(latency.rounds, 'round')}, {_format.counted(latency.threads, 'thread')}, "
        f"batch {latency.batch_size}"
        for _, latency in rows
    )
    return f"{counted} in {' or '.join(settings)}"
