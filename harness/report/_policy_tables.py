"""The report's tables of the policy: rules with their limits and outcomes, what keeps it from passing, and waivers."""

from __future__ import annotations

from harness.policy import Case, RuleOutcome
from harness.report import _format
from harness.report._advice import culprits_of
from harness.report._clean import NOT_AVAILABLE, REASON_LIMIT, clean
from harness.report._table import Cell, Column, Table, estimate_cell, make_table, number_cell, text_cell
from harness.report.headline import about_words
from harness.report.model import Report

__all__ = ["culprit_table", "rule_table", "waiver_table"]

_Pair = tuple[RuleOutcome, Case]


def rule_table(report: Report) -> Table | None:
    """Every rule in the policy's order; None where there is no verdict."""
    if report.verdict is None or not report.verdict.rules:
        return None
    columns: tuple[Column[RuleOutcome], ...] = (
        Column("Rule", _name_cell),
        Column("Outcome", lambda rule: Cell(rule.outcome, mark=rule.outcome)),
        Column(
            "Limit", lambda rule: number_cell(NOT_AVAILABLE if rule.limit is None else f"{rule.limit:g}"), optional=True
        ),
        Column("If it does not hold", lambda rule: Cell("fails the release" if rule.severity == "fail" else "warns")),
        Column("Reason", lambda rule: text_cell(rule.reason, limit=REASON_LIMIT)),
    )
    return make_table("Rules of the policy", columns, report.verdict.rules)


def _name_cell(rule: RuleOutcome) -> Cell:
    place = (
        f"{clean(rule.file)}, line {rule.line}" if rule.file and rule.line else clean(rule.file) if rule.file else ""
    )
    return Cell(clean(rule.name, limit=REASON_LIMIT), note=place)


def culprit_table(report: Report) -> Table | None:
    """Every case that keeps the release from passing, failures first; None where there is none."""
    pairs = culprits_of(report.verdict) if report.verdict else ()
    if not pairs:
        return None
    columns: tuple[Column[_Pair], ...] = (
        Column("What", lambda pair: Cell(about_words(pair[1].about))),
        Column("Outcome", lambda pair: Cell(pair[1].outcome, mark=pair[1].outcome)),
        Column("Rule", lambda pair: text_cell(pair[0].name, limit=REASON_LIMIT)),
        Column("Figure", lambda pair: estimate_cell(pair[1].estimate), optional=True),
        Column("Reason", lambda pair: text_cell(pair[1].reason, limit=REASON_LIMIT), optional=True),
    )
    return make_table("What keeps the release from passing", columns, pairs)


def waiver_table(report: Report) -> Table | None:
    """Every waived case with who accepted it, why and until when; expired ones first. None where there is none."""
    rules = report.verdict.rules if report.verdict else ()
    pairs = [(rule, case) for rule in rules for case in rule.cases if case.waiver is not None]
    if not pairs:
        return None
    columns: tuple[Column[_Pair], ...] = (
        Column("What", lambda pair: Cell(about_words(pair[1].about))),
        Column("Rule", lambda pair: text_cell(pair[0].name, limit=REASON_LIMIT)),
        Column("Owner", lambda pair: text_cell(pair[1].waiver.owner if pair[1].waiver else "")),
        Column("Reason", lambda pair: text_cell(pair[1].waiver.reason if pair[1].waiver else "", limit=REASON_LIMIT)),
        Column("Until", _until_cell),
        Column("Figure", lambda pair: estimate_cell(pair[1].estimate), optional=True),
    )
    ranked = sorted(
        pairs, key=lambda pair: (not _is_expired(pair[1]), pair[1].waiver.expires if pair[1].waiver else "")
    )
    return make_table(_format.counted(len(ranked), "waived finding"), columns, ranked)


def _is_expired(case: Case) -> bool:
    return case.waiver is not None and case.waiver.is_expired


def _until_cell(pair: _Pair) -> Cell:
    waiver = pair[1].waiver
    if waiver is None:
        return Cell(NOT_AVAILABLE)
    return Cell(
        clean(waiver.expires), note="expired" if waiver.is_expired else "", mark="fail" if waiver.is_expired else ""
    )
