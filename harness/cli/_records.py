"""The verb that looks at the records of a finished run, one by one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli._app import JsonOption, app, out
from harness.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from harness.results import RecordFindings

CAVEAT = (
    "Each interval is for that record alone, at the audit's level, and says how well the non-members fix the rate. "
    "Trained once more, the same model may put other members on top."
)


@app.command(epilog="Examples: edgeleak records runs/digits; edgeleak records runs/digits --all --out records.npz")
def records(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run whose attacks are done.")],
    view: Annotated[
        list[str] | None,
        typer.Option(
            "--view",
            help="Variants, e.g. original or original,int8; repeat. The first ranks. Default: the strongest view.",
            metavar="VARIANTS",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many records are shown.", metavar="N")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="Write the scores of all records into --out.")] = False,
    to: Annotated[Path | None, typer.Option("--out", help="For --all: the arrays.", metavar="RECORDS.npz")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show which members stand out most: each with the share of non-members that score at least as high."""
    from harness.audit.records import keep_exposed, write_all
    from harness.store import Run

    if everything != (to is not None):
        raise UsageError("--all and --out go together", hint="e.g. --all --out records.npz")
    if to is not None and to.suffix != ".npz":
        raise UsageError(f"--out {to}: expected a name that ends in .npz", hint="e.g. --out records.npz")
    with Run.open(run, Run.config_of(run)) as opened:
        found = keep_exposed(opened, view or (), top=top)
        written = [run / "results" / "records.json"]
        if to is not None:
            write_all(opened, to)
            written.append(to)
    if as_json:
        out.print_json(json.dumps(found.to_json()))
        return
    out.print(_table(found))
    out.print(CAVEAT, soft_wrap=True, markup=False)
    out.print("\nWritten: " + ", ".join(map(str, written)), soft_wrap=True, markup=False)


def _table(found: RecordFindings) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    count = f"{found.n_members} members, {found.n_nonmembers} non-members"
    table = Table(title=f"The most exposed of {count}", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Id", "Class"):
        table.add_column(name, justify="right")
    table.add_column("Member")
    for view in found.views:
        table.add_column("Score", justify="right")
        table.add_column(Text(f"False-positive rate, {view}"), overflow="fold")
    for one in found.records:
        cells = [str(one.id), str(one.label), "yes" if one.is_member else "no"]
        for reading in one.readings:
            rate = reading.fpr
            cells += [f"{reading.score:.4g}", f"{rate.value:.2%} [{rate.low:.2%}, {rate.high:.2%}]"]
        table.add_row(*map(Text, cells))
    return table
