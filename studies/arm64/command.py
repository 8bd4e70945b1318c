"""The command line of the comparison of ARM64 with x86-64."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import JobsOption, JsonOption, QuietOption, show_sentences
from studies.arm64.page import sentences
from studies.arm64.study import NETWORKS, conduct
from studies.kit.command import PageOption, RunOption, SeedOption, application, progress

app = application()


@app.command(epilog="Example: python -m studies.arm64 --network cnn --out arm64.md")
def arm64(
    networks: Annotated[
        list[str] | None, typer.Option("--network", help="Only this network; repeat for more.", metavar="NAME")
    ] = None,
    run: RunOption = Path("runs/arm64"),
    page: PageOption = Path("docs/arm64-against-x86.md"),
    device: Annotated[
        str, typer.Option("--device", "-d", help="What is compared with this machine.", metavar="URL")
    ] = "arm64-emulated",
    seed: SeedOption = 1,
    jobs: JobsOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Audit trained networks on this machine and on an ARM64 device at once, and compare answers and leakage."""
    with progress(quiet=quiet) as shown:
        findings, files = conduct(
            run,
            out=page,
            networks=networks or tuple(NETWORKS),
            device=device,
            seed=seed,
            jobs=jobs,
            progress=shown,
        )
    show_sentences(findings, sentences(findings), files, as_json=as_json)
