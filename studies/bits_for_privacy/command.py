"""The command line of the study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import JsonOption, QuietOption, show_sentences
from harness.errors import UsageError
from studies.bits_for_privacy.sentences import sentences
from studies.bits_for_privacy.settings import CIFAR10, LOCATION30, quick
from studies.bits_for_privacy.study import conduct
from studies.kit.command import PageOption, RunOption, application, progress

app = application()


@app.command(epilog="Example: python -m studies.bits_for_privacy --location30 data/location30")
def bits_for_privacy(
    location30: Annotated[
        Path | None, typer.Option("--location30", help="Files of Location-30; without it the setting is left out.")
    ] = None,
    cifar10: Annotated[
        Path | None, typer.Option("--cifar10", help="Files of CIFAR-10; without it the setting is left out.")
    ] = None,
    run: RunOption = Path("runs/bits-for-privacy"),
    page: PageOption = Path("docs/bits-for-privacy.md"),
    small: Annotated[
        bool, typer.Option("--quick", help="Few networks, few records: minutes become seconds, little is resolved.")
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Networks at a time.", metavar="N")] = 1,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Ask whether files of fewer bits leak less to LiRA, as executed by LiteRT, and write a page."""
    given = {LOCATION30: location30, CIFAR10: cifar10}
    places = {(quick(setting) if small else setting): place for setting, place in given.items() if place is not None}
    if not places:
        raise UsageError("no data set is given", hint="give --location30 DIR, --cifar10 DIR, or both")
    with progress(quiet=quiet) as shown:
        findings, result, files = conduct(places, run / "quick" if small else run, out=page, jobs=jobs, progress=shown)
    show_sentences(result, [line for one in findings for line in sentences(one)], files, as_json=as_json)
