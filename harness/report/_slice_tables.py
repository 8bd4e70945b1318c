"""Leakage of parts of the records, and in the terms of differential privacy: tables and sentences.

Names of columns and their values are the user's own text, and are cleaned like a device's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from harness.report import _format
from harness.report._clean import NOT_AVAILABLE, REASON_LIMIT, clean
from harness.report._table import Cell, Column, Table, estimate_cell, location, make_table, number_cell, text_cell
from harness.report.model import Report
from harness.results import CanaryBound, PrivacyBound, Slice, SlicedView, SliceFindings, SliceResult
from harness.types import Estimate, View

__all__ = ["canary_sentence", "privacy_tables", "slice_notes", "slice_sentence", "slice_tables"]

Bound = TypeVar("Bound", PrivacyBound, CanaryBound)


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


def privacy_tables(report: Report) -> tuple[Table, ...]:
    """Lower bounds of differential privacy on all ordinary records and on canaries; empty where none were made."""
    privacy = report.privacy
    if privacy is None:
        return ()
    delta = f"δ = {privacy.delta:g}"
    tables = []
    if privacy.bounds:
        columns: tuple[Column[PrivacyBound], ...] = (
            *_view_columns(privacy.bounds),
            Column(
                f"ε at least, {delta}",
                lambda one: number_cell(_format.at_least(one.epsilon), _format.hint(one.epsilon)),
            ),
            Column("μ at least (Gaussian)", lambda one: number_cell(_format.at_least(one.mu), _format.hint(one.mu))),
            Column(
                f"ε of that μ, {delta}",
                lambda one: number_cell(_format.at_least(one.gaussian_epsilon), _format.hint(one.gaussian_epsilon)),
            ),
        )
        tables.append(make_table("All records: bounds of differential privacy", columns, privacy.bounds))
    if privacy.canaries is not None and privacy.canaries.bounds:
        of_canaries: tuple[Column[CanaryBound], ...] = (
            *_view_columns(privacy.canaries.bounds),
            Column(f"ε at least, {delta}", _canary_cell),
        )
        tables.append(make_table("Canaries: bounds from one run", of_canaries, privacy.canaries.bounds))
    return tuple(tables)


def canary_sentence(report: Report) -> str:
    """How many canaries there were, and why nothing was bounded where nothing was; empty without any."""
    found = None if report.privacy is None else report.privacy.canaries
    if found is None:
        return ""
    counted = f"{found.n} canaries, of which {found.n_members} were trained on; no other figure of this report has them"
    return f"{counted}. {clean(found.refused, limit=REASON_LIMIT)}" if found.refused else f"{counted}."


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
        *(Column(f"TPR at {_rate(rate)} FPR", partial(rate_cell, rate)) for rate in rates),
        Column("Attack", lambda row: text_cell(row.view.view.attack)),
        Column("Sees", lambda row: _seen(row.view.view)),
    )


def _view_columns(_of: Sequence[Bound]) -> tuple[Column[Bound], ...]:
    return (
        Column("Attack", lambda one: text_cell(one.view.attack)),
        Column("Sees", lambda one: _seen(one.view)),
        Column("Runtime", lambda one: Cell(location(one.view)), optional=True),
    )


def _bound_cell(bound: Estimate) -> Cell:
    return number_cell(_format.at_least(bound), _format.hint(bound))


def _canary_cell(one: CanaryBound) -> Cell:
    if one.reason:
        return Cell(NOT_AVAILABLE, note=clean(one.reason, limit=REASON_LIMIT))
    return _bound_cell(one.epsilon)


def _seen(view: View) -> Cell:
    return text_cell(" + ".join(map(clean, view.variants)), limit=REASON_LIMIT)


def _counts(part: Slice) -> Cell:
    return number_cell(f"{part.n_members} / {part.n_nonmembers}")


def _name(part: Slice) -> str:
    return f"{clean(part.column)} {clean(part.value)}"


def _rate(rate: str) -> str:
    try:
        return f"{100 * float(rate):g}%"
    except ValueError:
        return clean(rate)


_SMALL_COLUMNS: tuple[Column[Slice], ...] = (
    Column("Column", lambda part: text_cell(part.column)),
    Column("Value", lambda part: text_cell(part.value)),
    Column("Members / non-members", _counts),
)
