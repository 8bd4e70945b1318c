"""All of the report for a terminal: the verdict and its reasons whole, the rest in compact tables."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from harness.report import _format, _mis_words, _slice_tables, _tables, _words
from harness.report._clean import NOT_AVAILABLE, REASON_LIMIT, clean
from harness.report.headline import headline
from harness.report.model import ArtifactRow, Report
from harness.report.writers._terminal_attacks import attack_parts, skipped_parts
from harness.report.writers._terminal_devices import device_parts
from harness.report.writers._terminal_latency import latency_parts
from harness.report.writers.terminal_table import STYLES, add_row, compact, new_table
from harness.results import AttackFindings, MisFindings
from harness.types import Estimate

__all__ = ["details", "findings"]

PATH_LIMIT = 4096
# Of the title, and of the longest status of a prediction.
QUANTIZER_WIDTH, STATUS_WIDTH = len("Quantizer"), len("contradicted")


def details(report: Report, *, files: Sequence[Path] = ()) -> RenderableType:
    """Everything that an audit found; `harness.report.summary` is the short of it.

    No text is cut off: it wraps where the terminal is narrow. Nothing is read as rich's markup.

    Args:
        report: what one audit found; any part may be missing.
        files: the files that :func:`harness.report.write` wrote, named at the end.
    """
    parts: list[RenderableType] = [Text(headline(report).text, overflow="fold"), _verdict(report)]
    if report.devices is not None:
        parts.extend(device_parts(report, _of_one_device))
        parts.append(findings(replace(report, attacks=AttackFindings())))
    else:
        parts.extend(_of_one_device(report))
        parts.append(findings(report))
    parts.extend(Text(f"Written: {clean(str(path), limit=PATH_LIMIT)}", overflow="fold") for path in files)
    return Group(*parts)


def _of_one_device(report: Report) -> list[RenderableType]:
    """Files and their latency."""
    return [_artifacts(report), *latency_parts(report), *_readings(report)] if report.artifacts else []


def findings(report: Report) -> RenderableType:
    """What a terminal shows of attacks and indicator, without a verdict."""
    parts = attack_parts(report)
    if sentence := _slice_tables.slice_sentence(report):
        parts.append(Text(sentence, overflow="fold"))
    if report.mis is not None and report.mis.quantizers:
        parts += _mis(report.mis)
    parts += skipped_parts(report.attacks.skipped)
    if made_by := _words.made_by(report):
        parts.append(Text(f"Made by {made_by}", overflow="fold"))
    return Group(*parts)


def _verdict(report: Report) -> RenderableType:
    verdict = report.verdict
    style = "bold" if verdict is None else STYLES[verdict.outcome]
    lines = [Text.assemble((_words.verdict_word(report).upper(), style), f"  {clean(report.name)}")]
    warnings = (_words.null_twin_warning(report), *_words.data_warnings(report))
    lines.extend(Text(sentence, style="bold") for sentence in warnings if sentence)
    for rule in verdict.rules if verdict else ():
        outcome = (f"{rule.outcome}: ", STYLES[rule.outcome])
        lines.append(Text.assemble(outcome, (clean(rule.name), "bold"), f": {clean(rule.reason, limit=REASON_LIMIT)}"))
    for line in lines:
        line.overflow = "fold"
    return Panel(Group(*lines), box=box.ASCII2 if verdict is None else box.ROUNDED)


def _artifacts(report: Report) -> Table:
    rows = report.artifact_rows()
    names: list[tuple[str, Callable[[ArtifactRow], str]]] = [
        ("Variant", lambda row: clean(row.name)),
        ("Runtime", lambda row: clean(row.artifact.runtime)),
    ]
    numbers: list[tuple[str, Callable[[ArtifactRow], str]]] = [
        ("Accuracy", lambda row: _value(row.artifact.accuracy_nonmembers, _format.percent)),
        ("p50", lambda row: _value(row.artifact.latency.p50_ns if row.artifact.latency else None, _format.duration)),
        ("Best NR AUC", lambda row: compact(row.nr.headline if row.nr else None)),
        ("Best SR AUC", lambda row: compact(row.sr.headline if row.sr else None)),
    ]
    if not report.names_missing_parts:
        names, numbers = (
            [(title, shown) for title, shown in columns if any(shown(row) != NOT_AVAILABLE for row in rows)]
            for columns in (names, numbers)
        )
    accuracy = " (accuracy on non-members)" if any(title == "Accuracy" for title, _ in numbers) else ""
    left, right = ([title for title, _ in columns] for columns in (names, numbers))
    table = new_table(f"Variants and runtimes{accuracy}", left, right)
    for row in rows:
        add_row(table, *(shown(row) for _, shown in (*names, *numbers)))
    return table


def _readings(report: Report) -> list[Text]:
    """How the answers of supplied files were read: one line for all files that were read alike."""
    groups: dict[str, list[str]] = {}
    for artifact in report.artifacts:
        if artifact.outputs:
            runtime = f" ({clean(artifact.runtime)})" if artifact.runtime else ""
            groups.setdefault(clean(artifact.outputs), []).append(clean(artifact.variant) + runtime)
    return [Text(f"Answers of {', '.join(names)}: {reading}", overflow="fold") for reading, names in groups.items()]


def _mis(mis: MisFindings) -> list[RenderableType]:
    origin = f"; candidates by {escape(clean(mis.generator))}" if mis.generator else ""
    table = new_table(
        f"MIS, the smallest predicted leakage first (not a privacy guarantee{origin})",
        ("Rank", "Quantizer"),
        ("Predicted Δ", "r", "n·r", "Differ"),
        ("Status",),
    )
    table.columns[1].min_width, table.columns[-1].min_width = QUANTIZER_WIDTH, STATUS_WIDTH
    for row in mis.ranked():
        add_row(
            table,
            _tables.mis_rank(mis, row),
            clean(row.quantizer),
            _short(_tables.mis_delta(row, _format.rough)),
            _short(_tables.mis_rate(row, _format.rough)),
            _tables.mis_n_r(row),
            _tables.mis_distinct(row),
            _mis_words.mis_status(row, with_flags=False),
        )
    sentences = (*_mis_words.mis_sentences(mis), *_mis_words.mis_flags(mis))
    return [table, *(Text(sentence, overflow="fold") for sentence in sentences)]


def _short(interval: str) -> str:
    """The interval as compact tables print it."""
    return re.sub(r"\b0\.", ".", interval.replace(", ", ","))


def _value(estimate: Estimate | None, style: Callable[[float], str]) -> str:
    """The value without its interval, which the page has."""
    return NOT_AVAILABLE if estimate is None or not math.isfinite(estimate.value) else style(estimate.value)
