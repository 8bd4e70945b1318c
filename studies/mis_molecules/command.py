"""The command line of the molecules study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import JsonOption, QuietOption, show_sentences
from studies.kit.command import PageOption, RunOption, SeedOption, application, progress
from studies.mis_molecules.study import QUICK, SEED, conduct

app = application()


@app.command(epilog="Example: python -m studies.mis_molecules --data data/moleculenet")
def molecules(
    data: Annotated[Path, typer.Option("--data", help="Folder of MoleculeNet's CSV files.", metavar="DIR")],
    run: RunOption = Path("runs/mis-molecules"),
    page: PageOption = Path("docs/mis-molecules.md"),
    seed: SeedOption = SEED,
    tasks: Annotated[
        list[str] | None, typer.Option("--task", help="Only this task; repeat for more.", metavar="NAME")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A look only: too small to conclude from.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure privacy and use of quantized heads on frozen molecule representations, and write a page."""
    with progress(quiet=quiet) as shown:
        findings, files = conduct(
            data,
            run,
            out=page,
            seed=seed,
            tasks=tasks,
            progress=shown,
            settings=QUICK if quick else None,
        )
    show_sentences(findings, findings["answers"], files, as_json=as_json)
