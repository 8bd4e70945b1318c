"""The command line of the export matrix."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import DeviceOption, JobsOption, JsonOption, QuietOption, show_sentences
from protos.runtimes import RUNTIMES
from studies.export_matrix.cells import ARCHITECTURES, VARIANTS
from studies.export_matrix.page import sentences
from studies.export_matrix.study import conduct
from studies.kit.command import PageOption, RunOption, application, progress

app = application()


@app.command(epilog="Example: python -m studies.export_matrix --architecture resnet18 --runtime litert --out matrix.md")
def matrix(
    architectures: Annotated[
        list[str] | None, typer.Option("--architecture", help="Only this network; repeat for more.", metavar="NAME")
    ] = None,
    variants: Annotated[
        list[str] | None, typer.Option("--variant", help="Only this variant; repeat for more.", metavar="NAME")
    ] = None,
    runtimes: Annotated[
        list[str] | None, typer.Option("--runtime", help="Only this runtime; repeat for more.", metavar="NAME")
    ] = None,
    run: RunOption = Path("runs/matrix"),
    page: PageOption = Path("docs/export-matrix.md"),
    device: DeviceOption = None,
    jobs: JobsOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Export every architecture in every variant for every runtime, ask each file, and compare it with torch."""
    with progress(quiet=quiet) as shown:
        findings, files = conduct(
            run,
            out=page,
            architectures=architectures or tuple(ARCHITECTURES),
            variants=variants or VARIANTS,
            runtimes=runtimes or tuple(RUNTIMES),
            device=device or "local",
            jobs=jobs,
            progress=shown,
        )
    show_sentences(findings, sentences(findings), files, as_json=as_json)
