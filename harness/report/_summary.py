"""The report for a terminal: the verdict and its reasons whole, the rest in compact tables."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markup import escape
from rich.measure import Measurement
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from harness.report import _format, _read, _words
from harness.report._model import ArtifactRow, Result, artifacts, by_auc, mis_ranking, outcome, results, rules
from harness.report._tables import ADVERSARIES, mis_distinct, mis_rate, mis_status
from harness.stats import Estimate

__all__ = ["summary"]

Node = Mapping[str, object]

# Words carry the outcome; colour only helps to find it.
STYLES = {"pass": "bold green", "fail": "bold red", "inconclusive": "bold yellow"}
# Strongest attacks shown for each adversary; the page has them all.
SHOWN_PER_ADVERSARY = 3
# A part of a name longer than this may be broken anywhere.
UNBROKEN = 12
# More names than this would stretch a row over half a terminal.
NAMED_VARIANTS = 2


def summary(report: Node, *, files: Sequence[Path] = ()) -> RenderableType:
    """What a terminal shows at the end of an audit.

    No text is cut off: it wraps where the terminal is narrow. Nothing is read as rich's markup.

    Args:
        report: one audit's report; any part may be absent.
        files: the files that :func:`write` made, named at the end.
    """
    parts: list[RenderableType] = [_verdict(report)]
    rows = artifacts(report)
    if rows:
        parts.append(_artifacts(rows))
    parts.append(findings(report))
    parts.extend(Text(f"Written: {_read.clean(str(path), limit=4096)}", overflow="fold") for path in files)
    return Group(*parts)


def findings(report: Node) -> RenderableType:
    """What a terminal shows of attacks and indicator, without a verdict; any part of the report may be absent."""
    parts: list[RenderableType] = []
    strongest = _strongest(results(report))
    if strongest is not None:
        parts.append(strongest)
    if "null_calibration" in report:
        parts.append(Text(f"Null calibration: {_words.null_sentence(report)}"))
    ranking = mis_ranking(report)
    if ranking:
        parts.append(_mis(ranking))
    skipped = len(_read.rows(_read.mapping(report, "attacks"), "skipped"))
    if skipped:
        parts.append(Text(f"{skipped} attacks were not made; the report says why."))
    return Group(*parts)


def _verdict(report: Node) -> RenderableType:
    verdict = outcome(_read.mapping(report, "gate"))
    heading = Text.assemble(
        (_words.verdict_word(verdict).upper(), STYLES.get(verdict, "bold")), f"  {_read.text(report, 'name')}"
    )
    lines = [heading]
    warning = _words.null_twin_warning(report)
    if warning:
        lines.append(Text(warning, style="bold"))
    lines.extend(Text(sentence, style="bold") for sentence in _words.data_warnings(report))
    for rule in rules(report):
        line = Text.assemble(
            (f"{rule.outcome}: ", STYLES.get(rule.outcome, "")), (rule.name, "bold"), f": {rule.reason}"
        )
        lines.append(line)
    for line in lines:
        line.overflow = "fold"
    return Panel(Group(*lines), box=box.ASCII2 if verdict == _read.NOT_AVAILABLE else box.ROUNDED)


def _artifacts(rows: Sequence[ArtifactRow]) -> Table:
    table = _table(
        "Variants and runtimes (accuracy on non-members)",
        ("Variant", "Runtime"),
        ("Accuracy", "p50", "Best NR AUC", "Best SR AUC"),
    )
    for row in rows:
        latency = _read.estimate(_read.mapping(row.node, "latency"), "p50_ns")
        accuracy = _read.estimate(row.node, "accuracy_nonmembers")
        _add(
            table,
            f"{row.variant} (control)" if row.is_control else row.variant,
            row.runtime,
            _read.NOT_AVAILABLE if accuracy is None else _format.percent(accuracy.value),
            _read.NOT_AVAILABLE if latency is None else _format.duration(latency.value),
            _compact(row.nr.headline if row.nr else None),
            _compact(row.sr.headline if row.sr else None),
        )
    return table


def _strongest(attacks: Sequence[Result]) -> Table | None:
    findings = [r for r in by_auc(attacks) if not r.is_control and r.headline is not None]
    if not findings:
        return None
    table = _table("Strongest attacks", ("Adv.", "Attack", "Sees", "Runtime"), ("AUC", "Against original"))
    table.columns[3].min_width = len("executorch")  # it has no hyphen to be broken at
    others = sorted({r.adversary for r in findings} - set(ADVERSARIES))
    for adversary in (*ADVERSARIES, *others):
        for r in [r for r in findings if r.adversary == adversary][:SHOWN_PER_ADVERSARY]:
            difference = _compact(r.versus_original, _format.signed)
            _add(table, adversary, r.attack, _seen(r.variants), r.runtime, _compact(r.headline), difference)
    return table


def _mis(ranking: Sequence[Node]) -> Table:
    generators = ", ".join(dict.fromkeys(_read.text(row, "generator") for row in ranking if "generator" in row))
    origin = f"; candidates by {escape(generators)}" if generators else ""
    table = _table(
        f"MIS, safest first (not a privacy guarantee{origin})",
        ("Quantizer",),
        ("r", "n·r", "Differ"),
        ("Regime", "Status"),
    )
    for row in ranking:
        n_r = _read.number(row, "n_r")
        _add(
            table,
            _read.text(row, "quantizer"),
            mis_rate(row),
            _read.NOT_AVAILABLE if n_r is None else _format.short(n_r),
            mis_distinct(row),
            _read.text(row, "regime"),
            mis_status(row),
        )
    return table


def _seen(variants: Sequence[str]) -> str:
    """What an adversary looks at; the page has the whole list."""
    if len(variants) <= NAMED_VARIANTS:
        return " + ".join(variants)
    return f"{variants[0]} + {len(variants) - 1} more"


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
