"""The report's tables of latency: what was measured, how surely, and beside the original's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from harness import fields
from harness.report import _format
from harness.report._clean import NOT_AVAILABLE, REASON_LIMIT, clean
from harness.report._table import Cell, Column, Table, estimate_cell, make_table, number_cell, text_cell
from harness.report.model import ArtifactRow, Report
from harness.results import Latency
from harness.types import Estimate

__all__ = ["difference", "is_emulated", "latency_notes", "latency_table", "measured", "throttled_sentences", "unit_of"]

# A difference that nobody would notice, however surely it is there.
_SAME = 0.01
_UNITS = (("s", 1e9), ("ms", 1e6), ("µs", 1e3))


def is_emulated(report: Report) -> bool:
    """Whether the device says that its latencies are not those of hardware."""
    return fields.flag(report.device or {}, "emulated")


def measured(report: Report) -> list[tuple[ArtifactRow, Latency]]:
    """The artifacts that were timed, in the report's order."""
    return [(row, row.artifact.latency) for row in report.artifact_rows() if row.artifact.latency is not None]


def latency_table(report: Report) -> Table | None:
    """Percentiles, cold starts, memory and the ratio to the original; None where nothing was timed."""
    rows = measured(report)
    if not rows:
        return None
    return make_table(
        "Latency; each interval holds by itself", _COLUMNS, rows, is_control=lambda row: row[0].artifact.is_control
    )


def difference(latency: Latency) -> str:
    """What the ratio to the original means, in words; ``n/a`` for the original, and where nothing is known of it."""
    if latency.not_compared:
        return "not compared"
    ratio = latency.ratio
    if ratio is None or not math.isfinite(ratio.value):
        return NOT_AVAILABLE
    if ratio.low >= 1 - _SAME and ratio.high <= 1 + _SAME:
        return "the same within 1%"
    if ratio.high < 1:
        return "faster"
    return "slower" if ratio.low > 1 else "cannot be told apart"


def throttled_sentences(report: Report) -> tuple[str, ...]:
    """One sentence for each artifact while which was timed the board slowed down."""
    return tuple(
        f"{clean(row.name)} ({clean(row.artifact.runtime)}): the board may have throttled: {_reasons(latency)}."
        for row, latency in measured(report)
        if latency.throttled
    )


def latency_notes(report: Report) -> tuple[str, ...]:
    """How to read latencies, one paragraph each."""
    rows = measured(report)
    if not report.names_missing_parts and not rows:
        return ()
    note = "Latency is reported beside leakage and never decides the verdict."
    if is_emulated(report):
        note += " The device was emulated: its latencies are not those of hardware, so no file is compared by them."
    if not any(latency.rounds > 1 for _, latency in rows):
        return (note,)
    return (
        note,
        "The files were timed in rounds, each of which has every file once. Runs of one round are not independent; "
        "where rounds differ, the interval of a percentile is that of fewer independent runs. The ratio to the "
        "original is the geometric mean of the rounds' ratios of medians, with Student's interval on their logarithms; "
        "each interval holds on its own. “Cannot be told apart” means that it holds 1, which is no proof of equality.",
        "A cold start is the load of the file in a fresh process that has imported the runtime's library, and the "
        "first inference after it. Peak memory is of that process, its library included; what the file and its runs "
        "added stands beside it.",
    )


def unit_of(rows: Sequence[tuple[ArtifactRow, Latency]]) -> tuple[str, float]:
    """The unit in which all medians are one or more, and its nanoseconds."""
    least = min((latency.p50_ns.value for _, latency in rows if latency.p50_ns.value > 0), default=1.0)
    return next(((unit, size) for unit, size in _UNITS if least >= size), ("ns", 1.0))


def _reasons(latency: Latency) -> str:
    signs = "; ".join(latency.throttled_because)
    return clean(signs, limit=REASON_LIMIT) if signs else "no sign was kept"


def _runs_cell(latency: Latency) -> Cell:
    runs = _format.whole(latency.runs or None)
    return number_cell(runs, note=_format.counted(latency.rounds, "round"))


def _setting_cell(latency: Latency) -> Cell:
    return Cell(f"{_format.counted(latency.threads, 'thread')}, batch {latency.batch_size}")


def _throttled_cell(latency: Latency) -> Cell:
    return Cell("yes", note=_reasons(latency)) if latency.throttled else Cell("no")


def _ratio_cell(latency: Latency) -> Cell:
    words = difference(latency)
    known = words not in (NOT_AVAILABLE, "not compared")
    text = f"{_format.interval(latency.ratio)}, {words}" if known else words
    return number_cell(text, note=_because(latency))


def _because(latency: Latency) -> str:
    return clean(latency.not_compared, limit=REASON_LIMIT) if latency.not_compared else ""


def _time_cell(nanoseconds: int | None) -> Cell:
    return number_cell(NOT_AVAILABLE if nanoseconds is None else _format.duration(nanoseconds), sort=nanoseconds)


def _percentile(title: str, of: Callable[[Latency], Estimate | None]) -> Column[tuple[ArtifactRow, Latency]]:
    return Column(title, lambda row: estimate_cell(of(row[1]), _format.duration, scaled=True), optional=True)


_COLUMNS: tuple[Column[tuple[ArtifactRow, Latency]], ...] = (
    Column("Variant", lambda row: text_cell(row[0].name)),
    Column("Runtime", lambda row: text_cell(row[0].artifact.runtime)),
    Column("Device", lambda row: text_cell(row[0].artifact.device), optional=True),
    _percentile("p50", lambda latency: latency.p50_ns),
    _percentile("p90", lambda latency: latency.p90_ns),
    _percentile("p95", lambda latency: latency.p95_ns),
    _percentile("p99", lambda latency: latency.p99_ns),
    Column("p50 / original's", lambda row: _ratio_cell(row[1]), optional=True),
    Column("Runs", lambda row: _runs_cell(row[1])),
    Column("Threads and batch", lambda row: _setting_cell(row[1])),
    Column("Throttled", lambda row: _throttled_cell(row[1])),
    Column("Cold load", lambda row: _time_cell(row[1].cold_load_ns), optional=True),
    Column("First inference", lambda row: _time_cell(row[1].first_inference_ns), optional=True),
    Column(
        "Peak memory",
        lambda row: number_cell(_format.bytes_text(row[1].peak_bytes), sort=row[1].peak_bytes),
        optional=True,
    ),
    Column(
        "of it, added",
        lambda row: number_cell(_format.bytes_text(row[1].added_bytes), sort=row[1].added_bytes),
        optional=True,
    ),
)
