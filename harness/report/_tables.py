"""The report's tables of quantizers, of records one by one, and of times."""

from __future__ import annotations

import math
from collections.abc import Callable

from harness.report import _format, _mis_words
from harness.report._clean import NOT_AVAILABLE, REASON_LIMIT, clean
from harness.report._table import Cell, Column, Row, Table, estimate_cell, make_table, number_cell, text_cell
from harness.report.model import Report
from harness.results import MisFindings, QuantizerMis, RecordResult

__all__ = [
    "mis_delta",
    "mis_distinct",
    "mis_n_r",
    "mis_rank",
    "mis_rate",
    "mis_shown",
    "mis_table",
    "record_table",
    "timing_table",
]


def mis_table(report: Report) -> Table | None:
    """Quantizers from the safest to the one that leaks most, or None where none was probed."""
    if report.mis is None or not report.mis.quantizers:
        return None
    ranked = report.mis.ranked()
    table = make_table("All quantizers, the smallest predicted leakage first", _QUANTIZER_COLUMNS, ranked)
    ranks = (number_cell(mis_rank(report.mis, row)) for row in ranked)
    rows = tuple(Row((rank, *row.cells)) for rank, row in zip(ranks, table.rows, strict=True))
    return Table(table.caption, ("Rank", *table.columns), rows)


def mis_rank(found: MisFindings, row: QuantizerMis) -> str:
    """The ranks that the comparisons leave to a quantizer, ``1`` or ``2–4``; a dash where nothing was probed."""
    ranks = found.ranks(row.quantizer)
    if ranks is None:
        return "–"
    return str(ranks[0]) if ranks[0] == ranks[1] else f"{ranks[0]}–{ranks[1]}"


def mis_delta(row: QuantizerMis, style: Callable[[float], str] = _format.short) -> str:
    """The predicted leakage with its interval, or what an attack shows at least; ``not probed`` where there is none."""
    if not row.leakage.is_probed:
        return "not probed"
    delta, logs = row.leakage.delta, row.leakage.logs
    value, low, high = (
        _leakage(end, log, style) for end, log in zip((delta.value, delta.low, delta.high), logs, strict=True)
    )
    return f"≥ {low}" if row.leakage.replaced is not None else f"{value} [{low}, {high}]"


def _leakage(value: float, log: float, style: Callable[[float], str]) -> str:
    """A leakage; one that no number of this computer holds as its power of ten, since 0 would be a claim."""
    if value > 0.0 or not math.isfinite(log):
        return style(value)
    return f"1e{math.floor(log / math.log(10.0))}"


def mis_shown(row: QuantizerMis) -> str:
    """What an attack on the same variant gains at least; a dash where none was held against the prediction."""
    return (
        "–"
        if row.witness is None
        else f"{_format.short(max(0.0, row.witness.advantage.low))} ({clean(row.witness.attack)})"
    )


def mis_distinct(row: QuantizerMis) -> str:
    """How many of a quantizer's candidates differ, ``11 of 12``."""
    return f"{row.k_eff} of {row.k}" if row.k else NOT_AVAILABLE


def mis_rate(row: QuantizerMis, style: Callable[[float], str] = _format.short) -> str:
    """A quantizer's r with its interval; ``not probed`` where it has none."""
    return _format.interval(row.r, style) if row.r.resolvable else "not probed"


def mis_n_r(row: QuantizerMis) -> str:
    """``n * r``; ``n/a`` where either is not known."""
    return _format.short(row.n_r) if row.n else NOT_AVAILABLE


_QUANTIZER_COLUMNS: tuple[Column[QuantizerMis], ...] = (
    Column("Quantizer", lambda row: text_cell(row.quantizer)),
    Column("Predicted Δ", lambda row: number_cell(mis_delta(row))),
    Column("r, nats per record", lambda row: number_cell(mis_rate(row))),
    Column("n · r", lambda row: number_cell(mis_n_r(row))),
    Column("An attack shows at least", lambda row: Cell(mis_shown(row))),
    Column("Candidates that differ", lambda row: number_cell(mis_distinct(row))),
    Column("Status", lambda row: Cell(_mis_words.mis_status(row))),
)


def record_table(report: Report) -> Table | None:
    """The most exposed records by id, never their content; None where nobody asked for them."""
    found = report.records
    if found is None or not found.records:
        return None
    columns: list[Column[RecordResult]] = [
        Column("Record", lambda one: number_cell(str(one.id))),
        Column("Class", lambda one: number_cell(str(one.label))),
        Column("Role", lambda one: Cell("member" if one.is_member else "non-member")),
    ]
    for number, view in enumerate(found.views):

        def cell(one: RecordResult, number: int = number) -> Cell:
            reading = one.readings[number].fpr if number < len(one.readings) else None
            return estimate_cell(reading, _format.percent)

        columns.append(Column(f"FPR by {clean(str(view), limit=REASON_LIMIT)}", cell))
    caption = "Most exposed records: the share of the non-members that look at least as much like members"
    return make_table(caption, columns, found.records)


def timing_table(report: Report) -> Table | None:
    """Seconds of each stage, or None where none was timed."""
    columns: tuple[Column[tuple[str, float]], ...] = (
        Column("Stage", lambda item: text_cell(item[0])),
        Column("Time", lambda item: number_cell(_format.seconds(item[1]), sort=item[1])),
    )
    return make_table("Time taken", columns, tuple(report.timings.items())) if report.timings else None
