"""The verb that says which variants of a finished run may be released together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from harness.cli._app import JsonOption, QuietOption, app, err, out
from harness.cli._console import ProgressView
from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.table import Table

    from harness.compare.planner import Asked
    from harness.compare.planner_result import File, FileSet, Plan, Planned
    from harness.config import GateRule
    from harness.store import Run

# As `harness.compare.planner_result` has them, which takes long to load; a test compares them.
Prefer = Literal["variants", "accuracy", "size", "latency"]
# From so many columns on, cost and worth stand beside leakage.
WIDE = 96
# More rows than this do not fit beside the rest.
MOST_ROWS = 11
LONGEST_NAME = 44
NANOSECONDS_PER_MILLISECOND = 1e6
WORDS = {
    "variants": "the largest set that passes",
    "accuracy": "the most accurate set that passes",
    "size": "the smallest set that passes, in bytes",
    "latency": "the fastest set that passes",
}


@app.command(epilog="Examples: edgeleak plan runs/digits; edgeleak plan runs/digits --max-auc 0.7 --prefer accuracy")
def plan(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run whose attacks are done.")],
    max_auc: Annotated[
        float | None,
        typer.Option("--max-auc", help="Hold every set against this AUC alone, not the run's policy.", metavar="X"),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="A policy file in place of the run's.", metavar="POLICY.toml")
    ] = None,
    prefer: Annotated[Prefer, typer.Option("--prefer", help="What makes one passing set better.")] = "variants",
    variant: Annotated[
        list[str] | None,
        typer.Option("--variant", help="A variant that may ship; repeat. Default: all but controls.", metavar="NAME"),
    ] = None,
    across_runtimes: Annotated[
        bool, typer.Option("--across-runtimes", help="Plan the files of all runtimes together.")
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say which variants may be released together: what an adversary learns who holds any set of them.

    Up to ten files every set is measured, beyond that a chain of sets that leak little. Intervals hold for all sets at
    once. Exit code 0 where a set passes, 1 where every set fails, 2 where none can be shown to pass.
    """
    from harness.compare.planner import plan as make
    from harness.compare.planner_picture import picture
    from harness.files import write
    from harness.store import Run

    with Run.open(run, Run.config_of(run)) as opened, ProgressView(err, quiet=quiet) as view:
        made = make(opened, _asked(opened, max_auc, policy, prefer, variant, across_runtimes), view)
        opened.write_json("results/plan.json", made.to_json())
        write(opened.path("results/plan.svg"), picture(made).encode())
    if as_json:
        out.print_json(json.dumps(made.to_json()))
    else:
        _show(made, (run / "results" / "plan.json", run / "results" / "plan.svg"))
    raise typer.Exit(made.exit_code)


def _asked(
    run: Run,
    max_auc: float | None,
    policy: Path | None,
    prefer: Prefer,
    variant: list[str] | None,
    across_runtimes: bool,
) -> Asked:
    from harness.compare.planner import Asked

    if variant is not None and len(set(variant)) < len(variant):
        raise UsageError("--variant: one is named twice", hint="name each variant once")
    rules, source = _rules(run, max_auc, policy)
    return Asked(
        rules=rules,
        policy=source if rules else "",
        prefer=prefer,
        variants=None if variant is None else tuple(variant),
        across_runtimes=across_runtimes,
    )


def _rules(run: Run, max_auc: float | None, file: Path | None) -> tuple[tuple[GateRule, ...], str]:
    """What sets are held against, and where it comes from."""
    from harness import fields, policy
    from harness.config import GateRule, load_policy, validate

    if max_auc is not None and file is not None:
        raise UsageError("--max-auc and --policy: both say what sets are held against", hint="leave one of them out")
    if max_auc is not None:
        rule = validate(GateRule, {"metric": "auc", "max": max_auc}, source="--max-auc")
        return (rule,), f"--max-auc {max_auc:g}"
    gate, source = (run.config.gate, "the run's policy") if file is None else (load_policy(file), str(file))
    if run.config.kind != "answers":
        # The results of one device do not name it.
        device = fields.text(fields.mapping(run.read_json("results/collect.json"), "device"), "url")
        gate = policy.for_device(gate, device, alone=True)
    return gate.rules, source


def _show(made: Plan, files: tuple[Path, ...]) -> None:
    from rich.text import Text

    for sentence in _sentences(made):
        out.print(Text(sentence))
    shown = made.planned[made.best or 0]
    out.print(_table(shown))
    for sentence in _notes(made, shown):
        out.print(Text(sentence))
    out.print("Written: " + ", ".join(map(str, files)), soft_wrap=True, markup=False)


def _sentences(made: Plan) -> Iterator[str]:
    """What the plan says, before any figure of the table."""
    if made.best is not None:
        shown = made.planned[made.best]
        best = shown.best_set
        assert best is not None  # noqa: S101 - the plan's best runtime has one
        where = f" on {shown.runtime}" if len(made.planned) > 1 else ""
        count = len(best.files)
        yield (
            f"pass: {_name(best, shown)}{where} may be released{' together' if count > 1 else ''} under "
            f"{made.policy}: AUC {_interval(best.leakage)}. It is {WORDS[made.prefer]}."
        )
        if not shown.exhaustive and shown.at_most > count:
            yield f"At most {shown.at_most - count} more of {len(shown.files)} files could fit in a set that passes."
    elif not made.policy:
        yield "inconclusive: the run has no gate rules, so no set passes; give --max-auc X."
    elif made.outcome == "fail":
        yield f"fail: every set of files leaks more than {made.policy} allows."
    else:
        yield f"inconclusive: no set of files can be shown to pass under {made.policy}{_why(made)}."


def _why(made: Plan) -> str:
    first = made.planned[0].of_size(1)
    open_rules = [] if first is None else [rule for rule in first.rules if rule.outcome != "pass"]
    return f"; {open_rules[0].id}: {open_rules[0].reason}" if open_rules and first is not None else ""


def _table(shown: Planned) -> Table:
    from harness.report.writers.terminal_table import add_row, compact, new_table

    wide = out.width >= WIDE
    rate = f"TPR@{100 * shown.fpr:g}%" if shown.fpr is not None else ""
    more = [*([rate] if rate else []), "Size", "Slowest", "Accuracy"] if wide else []
    title = f"What leaks least, by number of files{f' ({shown.runtime})' if shown.runtime else ''}"
    table = new_table(title, ["Set"], ["AUC", *more], ["Verdict"])
    for label, one in _rows(shown):
        cells = [f"{label}{_cell(one, shown)}", compact(one.leakage)]
        if wide:
            from harness.report import _format

            cells += [compact(one.tpr, _format.percent)] if rate else []
            cells += [_size(one), _latency(one), _accuracy(one)]
        add_row(table, *cells, one.outcome)
        table.rows[-1].style = "bold" if one is shown.best_set else None
    return table


def _rows(shown: Planned) -> Iterator[tuple[str, FileSet]]:
    """The least leaking set of each number of files, and the best set where it is none of them."""
    counts = list(range(1, len(shown.files) + 1))
    if len(counts) > MOST_ROWS:
        step = (len(counts) - 1) / (MOST_ROWS - 1)
        counts = sorted({1, 2, *(round(1 + step * at) for at in range(MOST_ROWS))})
    best, met = shown.best_set, False
    for count in counts:
        one = shown.of_size(count)
        if one is not None:
            met = met or one is best
            yield ("best: " if one is best else ""), one
    if best is not None and not met:
        yield "best: ", best


def _notes(made: Plan, shown: Planned) -> Iterator[str]:
    measured = f"all {len(shown.sets):,}" if shown.exhaustive else f"{len(shown.sets):,} of {shown.possible:,}"
    chosen = "the shadows chose each set's attack" if shown.chosen_on_shadows else "every attack counts"
    yield (
        f"Measured {measured} sets; {chosen}; all intervals hold at once in {made.level:.0%} of audits, for all "
        f"{shown.correction.figures} attacks that count. A set leaks at least what each of its subsets does."
    )
    for name, reason in made.left_out.items():
        yield f"Rule {name} is not held against sets: {reason}. The gate judges it."
    for other in made.planned:
        if other is not shown:
            best = other.best_set
            yield f"{other.runtime}: " + ("no set passes." if best is None else f"{_name(best, other)} passes.")


def _name(one: FileSet, shown: Planned) -> str:
    """The set's name; a large one by what it leaves out."""
    total = len(shown.files)
    several = len({file.runtime for file in shown.files}) > 1

    def joined(files: Iterable[File], by: str) -> str:
        return by.join(f"{file.variant}@{file.runtime}" if several else file.variant for file in files)

    if len(one.files) == total > 1:
        return f"all {total}"
    if 2 * len(one.files) > total and len(one.files) > 2:
        return "all but " + joined((file for file in shown.files if file not in one.files), ", ")
    return joined(one.files, " + ")


def _cell(one: FileSet, shown: Planned) -> str:
    """The set's name where it fits into a table, else how many files it has; the JSON names all."""
    name = _name(one, shown)
    return name if len(name) <= LONGEST_NAME else f"{len(one.files)} of {len(shown.files)} files"


def _interval(estimate: object) -> str:
    from harness.report._format import interval, ratio
    from harness.types import Estimate

    assert isinstance(estimate, Estimate)  # noqa: S101 - the caller has one
    return interval(estimate, ratio)


def _size(one: FileSet) -> str:
    from harness.report._format import bytes_text

    return bytes_text(one.size_bytes)


def _latency(one: FileSet) -> str:
    return "-" if one.worst_p50_ns is None else f"{one.worst_p50_ns / NANOSECONDS_PER_MILLISECOND:.3g} ms"


def _accuracy(one: FileSet) -> str:
    if one.worst_accuracy is None or one.best_accuracy is None:
        return "-"
    if len(one.files) == 1:
        return f"{one.worst_accuracy:.1%}"
    return f"{100 * one.worst_accuracy:.1f}-{one.best_accuracy:.1%}"
