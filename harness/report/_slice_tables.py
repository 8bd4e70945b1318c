"""Leakage of parts of the records: tables and sentences.

Names of columns and their values are the user's own text, and are cleaned like a device's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from harness.report import _format
from harness.report._attack_tables import rate_name
from harness.report._clean import REASON_LIMIT, clean
from harness.report._table import Cell, Column, Table, estimate_cell, make_table, number_cell, seen_cell, text_cell
from harness.report.model import Report
from harness.results import Slice, SlicedView, SliceFindings, SliceResult

__all__ = ["exposed_table", "slice_notes", "slice_sentence", "slice_tables"]


@dataclass(frozen=True)
class _Row:
    """A slice in the view in which it certainly leaks most."""

    view: SlicedView
    result: SliceResult


def slice_tables(report: Report) -> tuple[Table, ...]:
    """One table a runtime and column, each value with the view in which it leaks most; then what is too small."""
    if report.slices is None:
        return ()
    tables = []
    for runtime in dict.fromkeys(view.view.runtime for view in report.slices.views):
        for column, rows in _by_column(report.slices, runtime):
            where = f" on {clean(runtime)}" if runtime else ""
            tables.append(make_table(f"Leakage by {clean(column)}{where}", _columns(rows), rows, keep_empty=False))
    small = report.slices.too_small
    if small:
        caption = f"Too few to measure: fewer than {report.slices.minimum} members or non-members"
        tables.append(make_table(caption, _SMALL_COLUMNS, small))
    return tuple(tables)


def exposed_table(report: Report, count: int) -> Table | None:
    """The classes and groups that certainly leak most, by the lower end of their intervals; None without any."""
    if report.slices is None:
        return None
    rows = [
        row
        for runtime in dict.fromkeys(view.view.runtime for view in report.slices.views)
        for _, own in _by_column(report.slices, runtime)
        for row in own
    ]
    ranked = sorted(rows, key=lambda row: _low(row.result), reverse=True)[:count]
    columns: tuple[Column[_Row], ...] = (
        Column("Part", lambda row: Cell(_name(row.result.part))),
        Column("Runtime", lambda row: text_cell(row.view.view.runtime), optional=True),
        Column("Members / non-members", lambda row: _counts(row.result.part)),
        Column("AUC, all parts at once", lambda row: estimate_cell(row.result.simultaneous_auc)),
        Column("All records", lambda row: estimate_cell(row.view.whole)),
        Column("Attack", lambda row: text_cell(row.view.view.attack)),
        Column("Sees", lambda row: seen_cell(row.view.view)),
    )
    return make_table("Most exposed classes and groups", columns, ranked) if ranked else None


def _low(result: SliceResult) -> float:
    low = result.simultaneous_auc.low
    return low if low == low else float("-inf")


def slice_sentence(report: Report) -> str:
    """The slice that certainly leaks most; empty where none leaks more than all records together for certain."""
    worst = None if report.slices is None else report.slices.worst()
    if worst is None:
        return ""
    view, one = worst
    return (
        f"Leaks most of all parts: {_name(one.part)} ({one.part.n_members} members, {one.part.n_nonmembers} "
        f"non-members), AUC {_format.interval(one.simultaneous_auc)} by {clean(str(view.view), limit=REASON_LIMIT)}; "
        f"all records together have {_format.interval(view.whole)}."
    )


def slice_notes(report: Report) -> tuple[str, ...]:
    """What the tables of slices promise; empty where there are none."""
    if report.slices is None or not report.slices.views:
        return ()
    orders = {view.chosen_on for view in report.slices.views}
    chosen = (
        "the attack that did best on the shadow models"
        if orders == {"shadows"}
        else "the first attack that compares with reference models, else the first: no shadow model could choose"
    )
    figures = sum(one.figures for one in report.slices.corrections.values())
    levels = {one.level for one in report.slices.corrections.values()}
    shown = " or ".join(f"{100 * level:.4g}%" for level in sorted(levels)) or "the stated share"
    sentence = slice_sentence(report) or "No part leaks more than all records together for certain."
    return (
        sentence,
        f"Each view is judged by {chosen}; nothing was chosen on the audited records. A row shows the view whose lower "
        f"bound is the largest. Its intervals are those that hold for all {figures} figures of all parts and views at "
        f"once in {shown} of audits; report.json has every view, and each interval by itself.",
    )


def _by_column(found: SliceFindings, runtime: str) -> Iterator[tuple[str, list[_Row]]]:
    """Each column of a runtime with the view of each value whose lower bound is the largest."""
    best: dict[str, dict[str, _Row]] = {}
    for view in found.views:
        if view.view.runtime != runtime:
            continue
        for one in view.slices:
            rows = best.setdefault(one.part.column, {})
            before = rows.get(one.part.value)
            if before is None or one.simultaneous_auc.low > before.result.simultaneous_auc.low:
                rows[one.part.value] = _Row(view, one)
    yield from ((column, list(rows.values())) for column, rows in best.items())


def _columns(rows: Sequence[_Row]) -> tuple[Column[_Row], ...]:
    def rate_cell(rate: str, row: _Row) -> Cell:
        return estimate_cell(row.result.simultaneous_tpr.get(rate), _format.percent)

    rates = dict.fromkeys(rate for row in rows for rate in row.result.simultaneous_tpr)
    return (
        Column("Value", lambda row: text_cell(row.result.part.value)),
        Column("Members / non-members", lambda row: _counts(row.result.part)),
        Column("AUC, all parts at once", lambda row: estimate_cell(row.result.simultaneous_auc)),
        Column("All records", lambda row: estimate_cell(row.view.whole)),
        *(Column(f"TPR at {rate_name(rate)} FPR", partial(rate_cell, rate)) for rate in rates),
        Column("Attack", lambda row: text_cell(row.view.view.attack)),
        Column("Sees", lambda row: seen_cell(row.view.view)),
    )


def _counts(part: Slice) -> Cell:
    return number_cell(f"{part.n_members} / {part.n_nonmembers}")


def _name(part: Slice) -> str:
    return f"{clean(part.column)} {clean(part.value)}"


_SMALL_COLUMNS: tuple[Column[Slice], ...] = (
    Column("Column", lambda part: text_cell(part.column)),
    Column("Value", lambda part: text_cell(part.value)),
    Column("Members / non-members", _counts),
)
