"""The report for a terminal: the verdict and its reasons whole, the rest in compact tables."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markup import escape
from rich.measure import Measurement
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from harness.report import _format, _tables, _words
from harness.report._clean import NOT_AVAILABLE, REASON_LIMIT, clean
from harness.report.model import ArtifactRow, Report, by_auc
from harness.results import MisFindings, Result
from harness.types import Adversary, Estimate

__all__ = ["findings", "summary"]

# Words carry the outcome; colour only helps to find it.
STYLES = {"pass": "bold green", "fail": "bold red", "inconclusive": "bold yellow"}
# Strongest attacks shown for each adversary; the page has them all.
SHOWN_PER_ADVERSARY = 3
# A part of a name longer than this may be broken anywhere.
UNBROKEN = 12
# More names than this would stretch a row over half a terminal.
NAMED_VARIANTS = 2
PATH_LIMIT = 4096


def summary(report: Report, *, files: Sequence[Path] = ()) -> RenderableType:
    """What a terminal shows at the end of an audit.

    No text is cut off: it wraps where the terminal is narrow. Nothing is read as rich's markup.

    Args:
        report: what one audit found; any part may be missing.
        files: the files that :func:`harness.report.write` wrote, named at the end.
    """
    parts: list[RenderableType] = [_verdict(report)]
    if report.artifacts:
        parts.append(_artifacts(report))
        parts.extend(_readings(report))
    parts.append(findings(report))
    parts.extend(Text(f"Written: {clean(str(path), limit=PATH_LIMIT)}", overflow="fold") for path in files)
    return Group(*parts)


def findings(report: Report) -> RenderableType:
    """What a terminal shows of attacks and indicator, without a verdict."""
    parts: list[RenderableType] = []
    strongest = _strongest(report.attacks.results)
    if strongest is not None:
        parts.append(strongest)
    if report.attacks.results or report.attacks.null is not None:
        parts.append(Text(f"Null calibration: {_words.null_sentence(report)}"))
    if report.mis is not None and report.mis.quantizers:
        parts.append(_mis(report.mis))
    skipped = len(report.attacks.skipped)
    if skipped:
        parts.append(Text(f"{skipped} attacks did not run; the report says why."))
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
        ("Best NR AUC", lambda row: _compact(row.nr.headline if row.nr else None)),
        ("Best SR AUC", lambda row: _compact(row.sr.headline if row.sr else None)),
    ]
    if not report.names_missing_parts:
        names, numbers = (
            [(title, shown) for title, shown in columns if any(shown(row) != NOT_AVAILABLE for row in rows)]
            for columns in (names, numbers)
        )
    accuracy = " (accuracy on non-members)" if any(title == "Accuracy" for title, _ in numbers) else ""
    table = _table(f"Variants and runtimes{accuracy}", [title for title, _ in names], [title for title, _ in numbers])
    for row in rows:
        _add(table, *(shown(row) for _, shown in (*names, *numbers)))
    return table


def _readings(report: Report) -> list[Text]:
    """How the answers of supplied files were read: one line for all files that were read alike."""
    groups: dict[str, list[str]] = {}
    for artifact in report.artifacts:
        if artifact.outputs:
            runtime = f" ({clean(artifact.runtime)})" if artifact.runtime else ""
            groups.setdefault(clean(artifact.outputs), []).append(clean(artifact.variant) + runtime)
    return [Text(f"Answers of {', '.join(names)}: {reading}", overflow="fold") for reading, names in groups.items()]


def _strongest(results: Sequence[Result]) -> Table | None:
    ranked = [r for r in by_auc(results) if not r.is_control and r.headline.is_known]
    if not ranked:
        return None
    has_places = any(_tables.location(r.view) != NOT_AVAILABLE for r in ranked)
    names = ("Adv.", "Attack", "Sees", *(("Runtime",) if has_places else ()))
    table = _table("Strongest attacks", names, ("AUC", "Against original"))
    if has_places:
        table.columns[3].min_width = len("executorch")  # it has no hyphen to be broken at
    for adversary in get_args(Adversary):
        for r in [r for r in ranked if r.adversary == adversary][:SHOWN_PER_ADVERSARY]:
            place = (_tables.location(r.view),) if has_places else ()
            difference = _compact(r.versus_original, _format.signed)
            _add(table, adversary, clean(r.attack), _seen(r.variants), *place, _compact(r.headline), difference)
    return table


def _mis(mis: MisFindings) -> Table:
    origin = f"; candidates by {escape(clean(mis.generator))}" if mis.generator else ""
    table = _table(
        f"MIS, safest first (not a privacy guarantee{origin})",
        ("Quantizer",),
        ("r", "n·r", "Differ"),
        ("Regime", "Status"),
    )
    for row in mis.ranked():
        _add(
            table,
            clean(row.quantizer),
            _tables.mis_rate(row),
            _tables.mis_n_r(row),
            _tables.mis_distinct(row),
            clean(row.regime),
            _tables.mis_status(row),
        )
    return table


def _seen(variants: Sequence[str]) -> str:
    """What an adversary looks at; the page has the whole list."""
    if len(variants) <= NAMED_VARIANTS:
        return " + ".join(map(clean, variants)) or NOT_AVAILABLE
    return f"{clean(variants[0])} + {len(variants) - 1} more"


def _value(estimate: Estimate | None, style: Callable[[float], str]) -> str:
    """The value without its interval, which the page has."""
    return NOT_AVAILABLE if estimate is None or not math.isfinite(estimate.value) else style(estimate.value)


def _compact(estimate: Estimate | None, style: Callable[[float], str] = _format.ratio) -> str:
    """The interval as statistics tables print it, ``.640 [.580,.700]``: two of them fit into 80 columns."""
    return re.sub(r"\b0\.", ".", _format.interval(estimate, style)).replace(", ", ",")


def _table(title: str, left: Sequence[str], right: Sequence[str], more: Sequence[str] = ()) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in left:
        table.add_column(name, overflow="fold")
    for name in right:
        # Numbers stay on one line; names give way.
        table.add_column(name, no_wrap=True, overflow="fold", justify="right")
    for name in more:
        table.add_column(name, overflow="fold")
    return table


def _add(table: Table, *cells: str) -> None:
    columns = zip(table.columns, cells, strict=True)
    table.add_row(*(Text(cell) if column.no_wrap else _Name(cell) for column, cell in columns))


class _Name:
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
