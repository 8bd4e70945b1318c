"""The verb that holds two finished audits beside each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli._app import JsonOption, app, out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from harness.compare.two_runs_result import ArtifactChange, Comparison
    from harness.types import Estimate

SideArgument = Annotated[Path, typer.Argument(metavar="RUN|REPORT.json", help="A finished run, or its report.json.")]
# Rows of each table that are shown; the JSON holds all.
MOST_ROWS = 8
NANOSECONDS_PER_MILLISECOND = 1e6
# From so many columns on, true-positive rates stand beside the AUC.
WIDE = 96


@app.command(epilog="Examples: edgeleak compare runs/v1 runs/v2; edgeleak compare main.json runs/v2 --fail-on-increase")
def compare(
    before: SideArgument,
    after: SideArgument,
    fail_on_increase: Annotated[
        bool, typer.Option("--fail-on-increase", help="Exit 1 where more leakage is shown, 2 where it may be there.")
    ] = False,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0.0, max=1.0, help="An increase in AUC up to this is none.", metavar="X")
    ] = 0.05,
    as_json: JsonOption = False,
) -> None:
    """Compare two finished audits: what leaks more or less in the second, and how its files changed.

    Paired record by record where both audited the same records, or some of the same. Intervals of all changes hold at
    once. It reports, and exits 0, unless --fail-on-increase is given.
    """
    from harness.compare.two_runs import Side
    from harness.compare.two_runs import compare as compared

    made = compared(Side.read(before), Side.read(after))
    if as_json:
        out.print_json(json.dumps(made.to_json()))
    else:
        _show(made)
    raise typer.Exit(made.exit_code(fail_on_increase=fail_on_increase, tolerance=tolerance))


def _show(made: Comparison) -> None:
    from rich.text import Text

    for sentence in _sentences(made):
        out.print(Text(sentence))
    if made.changes:
        out.print(_changes(made))
    if made.artifacts:
        out.print(_artifacts(made))
    for label, views in (("Only before", made.only_before), ("Only after", made.only_after)):
        if views:
            shown = ", ".join(map(str, views[:3])) + (f" and {len(views) - 3} more" if len(views) > 3 else "")
            out.print(Text(f"{label}: {shown}"))


def _sentences(made: Comparison) -> Iterator[str]:
    from harness.compare.two_runs_result import direction
    from harness.report._format import interval, signed

    one = made.strongest
    if one is None:
        yield "The strongest attacks cannot be compared: an audit has no result."
    else:
        words = {
            "more": "finds more",
            "less": "finds less",
            "not resolved": "finds neither more nor less, as far as these records tell",
        }[direction(one.change)]
        yield (
            f"The strongest attack {words}: AUC {one.auc_before:.3f} ({one.before}) before, {one.auc_after:.3f} "
            f"({one.after}) after, change {interval(one.change, signed)}."
        )
    more = sum(direction(change.auc) == "more" for change in made.changes)
    less = sum(direction(change.auc) == "less" for change in made.changes)
    records = "" if made.paired is None else f" ({made.paired[0]} members, {made.paired[1]} non-members)"
    yield (
        f"Of {len(made.changes)} views that both have, {more} leak more and {less} less by AUC; all intervals hold "
        f"at once ({made.level:.0%}). {made.how[:1].upper()}{made.how[1:]}{records}."
    )
    old, new = (outcome or "none" for outcome in made.outcomes)
    yield f"Verdict: {old} before, {new} after."


def _changes(made: Comparison) -> Table:
    from harness.report._format import percent, ratio, signed
    from harness.report.writers.terminal_table import add_row, compact, new_table

    rates = list(made.changes[0].tpr)[:1] if out.width >= WIDE else []
    more = [f"TPR@{100 * float(rate):g}%, change" for rate in rates]
    ordered = sorted(made.changes, key=lambda one: -abs(one.auc.value) if one.auc.value == one.auc.value else 0.0)
    title = "Largest changes" + (f", {MOST_ROWS} of {len(ordered)} views" if len(ordered) > MOST_ROWS else "")
    table = new_table(title, ["View"], ["Before", "After", "AUC, change", *more])
    for one in ordered[:MOST_ROWS]:
        cells = [ratio(one.before.value), ratio(one.after.value), compact(one.auc, signed)]
        add_row(table, str(one.view), *cells, *(compact(one.tpr.get(rate), percent) for rate in rates))
    return table


def _artifacts(made: Comparison) -> Table:
    from harness.report._format import bytes_text, percent
    from harness.report.writers.terminal_table import add_row, compact, new_table

    title = "Files" + (f", {MOST_ROWS} of {len(made.artifacts)}" if len(made.artifacts) > MOST_ROWS else "")
    table = new_table(title, ["File"], ["Size", "Accuracy, change", "p50, change"])
    for one in made.artifacts[:MOST_ROWS]:
        old, new = one.size
        size = bytes_text(new) if one.same_file or old == new else f"{bytes_text(old)} > {bytes_text(new)}"
        name = f"{one.variant}{f' ({one.runtime})' if one.runtime else ''}" + (f", only {one.only}" if one.only else "")
        add_row(table, name, size, "-" if one.accuracy is None else compact(one.accuracy, percent), _latency(one))
    return table


def _latency(one: ArtifactChange) -> str:
    change: Estimate | None = one.p50_ns
    if change is None or change.value != change.value:
        return "-"
    value, low, high = (end / NANOSECONDS_PER_MILLISECOND for end in (change.value, change.low, change.high))
    return f"{value:+.3g} [{low:+.3g},{high:+.3g}] ms"
