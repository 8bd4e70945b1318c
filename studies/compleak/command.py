"""The command line of the study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.audit.check import check
from harness.cli import ConfigArgument, DeviceOption, JsonOption, QuietOption, show_sentences
from studies.compleak.sentences import sentences
from studies.compleak.settings import load
from studies.compleak.study import conduct
from studies.kit.command import application, progress

app = application()


@app.command(epilog="Example: python -m studies.compleak examples/cifar10.toml --out docs/study-cifar10.md")
def compleak(
    config: ConfigArgument = Path("audit.toml"),
    run: Annotated[
        Path | None, typer.Option("--run", help="Folder of its runs; default runs/NAME-study.", metavar="DIR")
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--out", help="The page; default docs/study-NAME.md.", metavar="FILE.md")
    ] = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Repeat an audit over seeds with its controls and null twins, compare NR, SR and MR, and write a page."""
    audit, study = load(config)
    if device is not None:
        audit = audit.with_changes(device=audit.device.model_copy(update={"url": device}))
    check(audit)
    place = run or Path("runs") / f"{audit.name}-study"
    out = page or Path("docs") / f"study-{audit.name}.md"
    with progress(quiet=quiet) as shown:
        findings, files = conduct(audit, study, place, out=out, source=str(config), progress=shown)
    show_sentences(findings.to_json(), sentences(findings), files, as_json=as_json)
