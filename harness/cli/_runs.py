"""Verbs around the run folders of a project: list, prune, trend, log."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from harness.cli._app import JsonOption, QuietOption, err, group_of_verbs, out
from harness.cli._console import ProgressView
from harness.cli._verbs import VERBS
from harness.errors import UsageError

if TYPE_CHECKING:
    from datetime import timedelta

runs = group_of_verbs("runs", VERBS["runs"].help)

FolderArgument = Annotated[Path, typer.Argument(metavar="[DIR]", help="The folder that the runs lie in.")]
DEFAULT_FOLDER = Path("runs")
UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@runs.command(name="list", epilog="Example: edgeleak runs list runs")
def list_command(folder: FolderArgument = DEFAULT_FOLDER, as_json: JsonOption = False) -> None:
    """List the runs in a folder: name, verdict, strongest attack, size; damaged ones too."""
    from rich.text import Text

    from harness.compare.run_list import listed
    from harness.report._format import bytes_text, counted
    from harness.report.writers.terminal_table import add_row, compact, new_table

    found = listed(folder)
    if as_json:
        out.print_json(json.dumps([run.to_json() for run in found]))
        return
    if not found:
        out.print(Text(f"{folder}: no runs"))
        return
    title = f"{counted(len(found), 'run')} in {folder}"
    table = new_table(title, ["Run", "Begun"], ["Strongest AUC", "Size"], ["Verdict"])
    for run in found:
        verdict = run.outcome or ("in use" if run.in_use else "none")
        add_row(
            table, run.folder.name, run.created[:10] or "unknown", compact(run.auc), bytes_text(run.size_bytes), verdict
        )
    out.print(table)
    for run in found:
        if run.problem:
            out.print(Text(f"{run.folder}: {run.problem}"))


@runs.command(name="prune", epilog="Example: edgeleak runs prune runs --older-than 30d --yes")
def prune_command(
    folder: FolderArgument = DEFAULT_FOLDER,
    keep: Annotated[
        int | None, typer.Option("--keep", min=0, help="Keep the newest N of each audit.", metavar="N")
    ] = None,
    older_than: Annotated[
        str | None, typer.Option("--older-than", help="Only runs begun longer ago: 12h, 30d, 8w.", metavar="AGE")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete them; without it they are only named.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete old runs: those beyond the newest N of their audit, or older than an age; with both, those that are both.

    What is no run folder, is in use, or cannot be read is never touched, and no link is followed.
    """
    from rich.text import Text

    from harness.compare.run_list import prunable, prune
    from harness.report._format import counted

    if keep is None and older_than is None:
        raise UsageError("which runs may go?", hint="give --keep N, --older-than AGE, or both")
    rows = []
    for one in prunable(folder, keep=keep, older_than=None if older_than is None else _age(older_than)):
        kept = one.why_kept
        if yes and not kept:
            kept = prune(one.run)
        state = "kept" if kept else "deleted" if yes else "would be deleted"
        rows.append(
            {"run": str(one.run.folder), "size_bytes": one.run.size_bytes, "state": state, "reason": kept or None}
        )
        if not as_json:
            out.print(Text(f"{one.run.folder}: {state}{f', {kept}' if kept else ''}"))
    if as_json:
        out.print_json(json.dumps(rows))
        return
    going = [row for row in rows if row["state"] != "kept"]
    hint = "" if yes or not going else "; the same command with --yes deletes them"
    out.print(Text(f"{counted(len(going), 'run')} {'deleted' if yes else 'would be deleted'}{hint}"))


@runs.command(name="trend", epilog="Example: edgeleak runs trend runs --name digits --svg trend.svg")
def trend_command(
    folder: FolderArgument = DEFAULT_FOLDER,
    name: Annotated[str | None, typer.Option("--name", help="The audit; default the only one.", metavar="NAME")] = None,
    svg: Annotated[Path | None, typer.Option("--svg", help="Write the picture here.", metavar="FILE.svg")] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show one audit's runs over time: the strongest attack, and its change from each run to the next."""
    from rich.text import Text

    from harness.compare.trend import picture, sparkline, trend
    from harness.files import write
    from harness.report._format import signed
    from harness.report.writers.terminal_table import add_row, compact, new_table

    if svg is not None and svg.suffix != ".svg":
        raise UsageError(f"--svg {svg}: expected a name that ends in .svg", hint="e.g. --svg trend.svg")
    with ProgressView(err, quiet=quiet) as view:
        made = trend(folder, name, view)
    if svg is not None:
        write(svg, picture(made).encode())
    if as_json:
        out.print_json(json.dumps(made.to_json()))
        return
    out.print(Text(f"{made.name}: {sparkline([one.auc.value for one in made.releases])}"))
    table = new_table("Strongest attack of each run", ["Run", "Begun"], ["AUC", "Change"], ["Verdict"])
    for one in made.releases:
        change = "-" if one.change is None else compact(one.change.change, signed)
        add_row(table, one.run.folder.name, one.run.created[:10], compact(one.auc), change, one.run.outcome or "none")
    out.print(table)
    for how in dict.fromkeys(one.how for one in made.releases if one.how):
        out.print(Text(f"{how[:1].upper()}{how[1:]}."))
    for place, reason in made.left_out:
        out.print(Text(f"{place}: left out, {reason}"))
    if svg is not None:
        out.print(f"Written: {svg}", soft_wrap=True, markup=False)


@runs.command(name="log", epilog="Example: edgeleak runs log runs/digits --to mlflow --uri file:mlruns")
def log_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run, with its report.")],
    to: Annotated[Literal["mlflow"], typer.Option("--to", help="Where to.")],
    uri: Annotated[
        str,
        typer.Option("--uri", envvar="MLFLOW_TRACKING_URI", help="MLflow's server, or file:FOLDER.", metavar="URI"),
    ] = "file:mlruns",
    experiment: Annotated[str, typer.Option("--experiment", help="MLflow's experiment.", metavar="NAME")] = "edgeleak",
    as_json: JsonOption = False,
) -> None:
    """Log a finished run with MLflow: figures, settings, verdict, and the report."""
    from harness.compare.mlflow_log import log_run

    made = log_run(run, uri=uri, experiment=experiment)
    if as_json:
        out.print_json(json.dumps({"to": to, "uri": uri, "experiment": experiment, "run_id": made}))
    else:
        out.print(f"Logged as {made} in experiment {experiment} at {uri}", markup=False, soft_wrap=True)


def _age(text: str) -> timedelta:
    from datetime import timedelta

    found = re.fullmatch(r"(\d{1,5})([hdw])", text)
    if found is None:
        raise UsageError(f"--older-than {text}: expected a number and h, d or w", hint="e.g. 30d")
    return timedelta(**{UNITS[found[2]]: int(found[1])})
