"""Lower bounds in the terms of differential privacy, on all records and on canaries: tables and sentences."""

from __future__ import annotations

from typing import TypeVar

from harness.report import _format
from harness.report._clean import NOT_AVAILABLE, REASON_LIMIT, clean
from harness.report._table import Cell, Column, Table, location, make_table, number_cell, seen_cell, text_cell
from harness.report.model import Report
from harness.results import CanaryBound, PrivacyBound
from harness.types import Estimate

__all__ = ["canary_sentence", "privacy_tables"]

Bound = TypeVar("Bound", PrivacyBound, CanaryBound)
# The page shows as many bounds as it shows attacks, at most; report.json has all.
MOST_ROWS = 1000


def privacy_tables(report: Report) -> tuple[Table, ...]:
    """Lower bounds of differential privacy on all ordinary records and on canaries; empty where none were made."""
    privacy = report.privacy
    if privacy is None:
        return ()
    delta = f"δ = {privacy.delta:g}"
    tables = []
    if privacy.bounds:
        columns: tuple[Column[PrivacyBound], ...] = (
            *_of_view(privacy.bounds),
            Column(f"ε at least, {delta}", lambda one: _bound_cell(one.epsilon)),
            Column("μ at least (Gaussian)", lambda one: _bound_cell(one.mu)),
            Column(f"ε of that μ, {delta}", lambda one: _bound_cell(one.gaussian_epsilon)),
        )
        ranked = sorted(privacy.bounds, key=lambda one: _or_lowest(one.epsilon), reverse=True)[:MOST_ROWS]
        tables.append(make_table("All records: bounds of differential privacy", columns, ranked))
    if privacy.canaries is not None and privacy.canaries.bounds:
        of_canaries: tuple[Column[CanaryBound], ...] = (
            *_of_view(privacy.canaries.bounds),
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


def _of_view(_rows: tuple[Bound, ...]) -> tuple[Column[Bound], ...]:
    return (
        Column("Attack", lambda one: text_cell(one.view.attack)),
        Column("Sees", lambda one: seen_cell(one.view)),
        Column("Runtime", lambda one: Cell(location(one.view)), optional=True),
    )


def _or_lowest(bound: Estimate) -> float:
    return bound.low if bound.low == bound.low else float("-inf")


def _bound_cell(bound: Estimate) -> Cell:
    return number_cell(_format.at_least(bound))


def _canary_cell(one: CanaryBound) -> Cell:
    if one.reason:
        return Cell(NOT_AVAILABLE, note=clean(one.reason, limit=REASON_LIMIT))
    return _bound_cell(one.epsilon)
