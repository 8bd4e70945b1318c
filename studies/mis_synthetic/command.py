"""The command line of the synthetic study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import JobsOption, JsonOption, QuietOption, show_sentences
from studies.kit.command import PageOption, RunOption, SeedOption, application, progress
from studies.mis_synthetic.page import sentences
from studies.mis_synthetic.study import Settings, conduct

app = application()


@app.command(epilog="Example: python -m studies.mis_synthetic --out docs/mis-synthetic.md")
def synthetic(
    run: RunOption = Path("runs/mis-synthetic"),
    page: PageOption = Path("docs/mis-synthetic.md"),
    seed: SeedOption = 1,
    jobs: JobsOption = None,
    quick: Annotated[bool, typer.Option("--quick", help="A look only: too small to conclude from.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compare the MIS indicator and its predictions with laws whose true leakage is known, and write a page."""
    settings = Settings.quick(seed) if quick else Settings(seed=seed)
    with progress(quiet=quiet) as shown:
        findings, files = conduct(run, out=page, settings=settings, jobs=jobs, progress=shown)
    show_sentences(findings, sentences(findings), files, as_json=as_json)
