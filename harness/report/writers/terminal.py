"""The short of the report for a terminal: what was found, what was decided, one row a file, and where the rest is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from harness.policy import Outcome, Verdict
from harness.report import _device_tables, _format, _words
from harness.report._attack_tables import rate_name, rates_of
from harness.report._clean import NOT_AVAILABLE, clean
from harness.report._increases import answer
from harness.report._table import location
from harness.report.headline import headline
from harness.report.model import ArtifactRow, Report
from harness.report.writers._terminal_attacks import seen
from harness.report.writers.terminal_table import STYLES, Name, compact
from harness.results import Result
from harness.types import Adversary

__all__ = ["summary"]

# As many rows as a screen takes beside the rest; of more files, those that leak most.
FILES_SHOWN = 12
# A reason is whole in `edgeleak gate`.
REASON_SHOWN = 200
PATH_LIMIT = 4096
# Widths from which rates have their intervals, and from which views have their places.
WITH_INTERVALS, WITH_PLACES = 76, 100


def summary(report: Report, *, files: Sequence[Path] = ()) -> RenderableType:
    """What a terminal shows at the end of an audit: about thirty lines, right from 60 columns up.

    No number is cut off. Nothing is read as rich's markup, and nothing of a device steers the terminal.

    Args:
        report: what one audit found; any part may be missing.
        files: the files that :func:`harness.report.write` wrote; the page is named at the end.
    """
    return _Summary(report, tuple(files))


@dataclass(frozen=True)
class _Summary:
    """The parts of a summary, laid out for the width that there is."""

    report: Report
    files: tuple[Path, ...]

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        report, width = self.report, options.max_width
        yield _line(headline(report).text, "bold")
        for warning in (_words.null_twin_warning(report), *_words.data_warnings(report)):
            if warning:
                yield _line(warning, "bold")
        if report.verdict is not None:
            yield from _rules(report.verdict)
        for device in report.devices.devices if report.devices else ():
            if not device.is_finished:
                yield _line(f"{_device_tables.shown_name(device)}: {_device_tables.status_of(device)}")
        rate = _lowest_rate(report)
        yield from _files(report, rate, width)
        yield from _strongest(report, rate, width)
        if note := _note(report):
            yield _line(note)
        yield _line(self._rest())

    def _rest(self) -> str:
        page = next((path for path in self.files if path.suffix == ".html"), None)
        where = f"{clean(str(page), limit=PATH_LIMIT)}, or " if page else ""
        return f"All of it: {where}edgeleak report --all"


def _rules(verdict: Verdict) -> Iterator[Text]:
    """Those that do not hold with their reason, those that warn, what is waived, and those that hold by name."""
    for rule in verdict.rules:
        if rule.outcome != "pass":
            word = "warn" if rule.severity == "warn" else rule.outcome
            yield _marked(word, rule.outcome, f"{clean(rule.id)}: {clean(rule.reason, limit=REASON_SHOWN)}")
        if rule.waived:
            owners = ", ".join(sorted({clean(case.waiver.owner) for case in rule.waived if case.waiver}))
            findings = _format.counted(len(rule.waived), "finding")
            yield _marked("waived", "inconclusive", f"{clean(rule.id)}: {findings} by {owners}")
    held = [clean(rule.id) for rule in verdict.rules if rule.outcome == "pass"]
    if held:
        yield _marked("pass", "pass", ", ".join(held))


def _marked(word: str, outcome: Outcome, text: str) -> Text:
    return Text.assemble((f"{word} ", STYLES[outcome]), text, overflow="fold")


def _files(report: Report, rate: str, width: int) -> Iterator[RenderableType]:
    """One row a file that ships: what the strongest attack finds that sees this file alone."""
    rows = [row for row in report.artifact_rows() if not row.artifact.is_control]
    shown = {id(row.artifact) for row in sorted(rows, key=_leakage, reverse=True)[:FILES_SHOWN]}
    lines: list[tuple[str, ...]] = []
    places: list[str] = []
    for row in rows:
        if id(row.artifact) not in shown:
            continue
        place = ", ".join(clean(part) for part in (row.artifact.runtime, row.artifact.device) if part) or "File"
        if place not in places:
            places.append(place)
            lines += [(place,)] if len(places) > 1 else []
        lines.append(
            (f" {clean(row.name)}", _accuracy(row), *_figures(row.nr, rate, width), _change(report, row, width))
        )
    if lines:
        accuracy = "Accuracy" if width >= WITH_INTERVALS else "Acc."
        yield _table((places[0], accuracy, "AUC alone", _rate_title(rate), "ε ≥", "Change"), lines, width)
    if len(rows) > len(shown):
        yield _line(f"and {_format.counted(len(rows) - len(shown), 'file')} that leak less")


def _accuracy(row: ArtifactRow) -> str:
    accuracy = row.artifact.accuracy_nonmembers
    return _format.percent(accuracy.value) if accuracy and math.isfinite(accuracy.value) else NOT_AVAILABLE


def _figures(result: Result | None, rate: str, width: int) -> tuple[str, str, str]:
    """AUC with its interval, what is found at the rate, and the lower bound of ε."""
    if result is None:
        return NOT_AVAILABLE, NOT_AVAILABLE, NOT_AVAILABLE
    found = compact(result.simultaneous.tpr_at_fpr.get(rate), _format.percent)
    bound = _format.at_least(result.simultaneous.epsilon_lower).removeprefix("≥ ")
    return compact(result.headline), found if width >= WITH_INTERVALS else found.partition(" [")[0], bound


def _change(report: Report, row: ArtifactRow, width: int) -> str:
    """How much more is found than on the original alone, in words where the interval leaves out zero."""
    place = (row.artifact.runtime, row.artifact.device)
    for one in report.attacks.increases:
        is_alone = one.view.adversary == "NR" and one.view.variants == (row.artifact.variant,)
        if is_alone and (one.view.runtime, one.view.device) == place and one.simultaneous.is_known:
            difference = compact(one.simultaneous, _format.signed)
            shown = difference if width >= WITH_PLACES else difference.partition(" [")[0]
            return shown if answer(one) == "not resolved" else f"{shown} {answer(one)}"
    return ""


def _strongest(report: Report, rate: str, width: int) -> Iterator[RenderableType]:
    """The strongest view of each adversary."""
    lines: list[tuple[str, ...]] = []
    for adversary in get_args(Adversary):
        result = next((one for one in report.strongest() if one.adversary == adversary), None)
        if result is not None:
            place = location(result.view)
            where = f" ({place})" if width >= WITH_PLACES and place != NOT_AVAILABLE else ""
            name = f"{adversary} {clean(result.attack)}: {seen(result.view)}{where}"
            lines.append((name, *_figures(result, rate, width)))
    if lines:
        yield _table(("Strongest of each adversary", "AUC", _rate_title(rate), "ε ≥"), lines, width)


def _note(report: Report) -> str:
    """How many records the figures are of, and what is not among them."""
    counts = sorted({result.n_members + result.n_nonmembers for result in report.attacks.results})
    skipped = len(report.attacks.skipped)
    parts = (
        f"n = {counts[0]}" + (f" to {counts[-1]}" if counts[0] != counts[-1] else "") if counts else "",
        "intervals hold at once" if counts else "",
        f"{_format.counted(skipped, 'attack')} did not run" if skipped else "",
    )
    text = "; ".join(filter(None, parts))
    return f"{text}." if text else ""


def _lowest_rate(report: Report) -> str:
    """The lowest false-positive rate that any result resolves; empty where none does."""
    results = report.attacks.results
    resolved = [
        rate
        for rate in rates_of(results)
        if rate_name(rate).endswith("%") and any(_is_resolved(result, rate) for result in results)
    ]
    return resolved[-1] if resolved else ""


def _is_resolved(result: Result, rate: str) -> bool:
    estimate = result.simultaneous.tpr_at_fpr.get(rate)
    return estimate is not None and estimate.resolvable and math.isfinite(estimate.value)


def _rate_title(rate: str) -> str:
    return f"TPR {rate_name(rate)}" if rate else ""


def _table(titles: Sequence[str], lines: Sequence[Sequence[str]], width: int) -> Table:
    """Names and their numbers; a line of one cell is a heading, and a column that says nothing is left out."""
    rows = [line for line in lines if len(line) > 1]
    kept = [n for n in range(1, len(titles)) if any(row[n] not in ("", NOT_AVAILABLE) for row in rows)]
    table = Table(box=None, pad_edge=False, padding=(0, 2 if width >= WITH_PLACES else 1, 0, 0))
    table.add_column(Text(titles[0], overflow="fold"), overflow="fold")
    for number in kept:
        table.add_column(Text(titles[number]), no_wrap=True, overflow="fold", justify="right")
    for line in lines:
        if len(line) == 1:
            table.add_row(_line(line[0], "bold"))
        else:
            table.add_row(Name(line[0]), *(Text(line[number]) for number in kept))
    return table


def _leakage(row: ArtifactRow) -> float:
    return row.nr.headline.value_or_lowest if row.nr else -math.inf


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, overflow="fold")
