"""Verbs that study: an audit over seeds, and the MIS indicator against the truth and in use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli._app import (
    DEFAULT_CONFIG,
    ConfigArgument,
    DeviceOption,
    JobsOption,
    JsonOption,
    QuietOption,
    SeedOption,
    app,
    configure,
    err,
    tell,
)
from harness.cli._console import ProgressView


@app.command(epilog="Example: edgeleak study examples/cifar10.toml --out docs/study-cifar10.md")
def study(
    config: ConfigArgument = DEFAULT_CONFIG,
    run: Annotated[
        Path | None, typer.Option("--run", help="Folder of its runs; default runs/NAME-study.", metavar="DIR")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--out", help="The page; default docs/study-NAME.md.", metavar="FILE.md")
    ] = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Repeat an audit over seeds with its controls and null twins, compare NR, SR and MR, and write a page."""
    from studies.compleak import answers, conduct  # its pictures need matplotlib, which nothing else should wait for

    audited = configure(config, device=device, seed=None, null=False)
    place = run or Path("runs") / f"{audited.name}-study"
    page = to or Path("docs") / f"study-{audited.name}.md"
    with ProgressView(err, quiet=quiet) as view:
        found, files = conduct(audited, place, out=page, source=str(config), progress=view)
    tell(found, answers(found), files, as_json=as_json)


mis_studies = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Studies of the MIS indicator, each with a page of its own."
)
app.add_typer(mis_studies, name="mis-study")
StudyRunOption = Annotated[
    Path | None, typer.Option("--run", help="Folder of finished parts; default runs/mis-STUDY.", metavar="DIR")
]
PageOption = Annotated[
    Path | None, typer.Option("--out", help="The page; default docs/mis-STUDY.md.", metavar="FILE.md")
]


@mis_studies.command(epilog="Example: edgeleak mis-study synthetic --out docs/mis-synthetic.md")
def synthetic(
    run: StudyRunOption = None,
    to: PageOption = None,
    seed: SeedOption = None,
    jobs: JobsOption = None,
    quick: Annotated[bool, typer.Option("--quick", help="A look only: too small to conclude from.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Hold the indicator and its predictions against laws whose true leakage is known."""
    from studies.mis import _synthetic
    from studies.mis._synthetic_page import sentences

    make = _synthetic.Settings.quick if quick else _synthetic.Settings
    settings = make(seed=1 if seed is None else seed)
    place, page = run or Path("runs/mis-synthetic"), to or Path("docs/mis-synthetic.md")
    with ProgressView(err, quiet=quiet) as view:
        found, files = _synthetic.conduct(place, out=page, settings=settings, jobs=jobs, progress=view)
    tell(found, sentences(found), files, as_json=as_json)


@mis_studies.command(epilog="Example: edgeleak mis-study molecules --data data/moleculenet")
def molecules(
    data: Annotated[Path, typer.Option("--data", help="Folder of MoleculeNet's CSV files.", metavar="DIR")],
    run: StudyRunOption = None,
    to: PageOption = None,
    seed: SeedOption = None,
    tasks: Annotated[list[str] | None, typer.Option("--task", help="Only this one; repeat.", metavar="NAME")] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Privacy against use of quantized heads on frozen molecule representations."""
    from studies.mis import _molecules

    place, page = run or Path("runs/mis-molecules"), to or Path("docs/mis-molecules.md")
    with ProgressView(err, quiet=quiet) as view:
        found, files = _molecules.conduct(
            data, place, out=page, seed=_molecules.SEED if seed is None else seed, tasks=tasks, progress=view
        )
    tell(found, found["answers"], files, as_json=as_json)
