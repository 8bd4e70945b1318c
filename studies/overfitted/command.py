"""The command line of the study: train and ask, attack, write the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness.cli import JsonOption, QuietOption, show_sentences
from harness.errors import UsageError
from studies.kit.command import application, progress
from studies.kit.pages import publish
from studies.overfitted import attacking, networks
from studies.overfitted.findings import Findings, gather
from studies.overfitted.page import page as page_text
from studies.overfitted.page import summary
from studies.overfitted.records import read
from studies.overfitted.sentences import sentences
from studies.overfitted.settings import SETTINGS, Setting, setting_of

app = application()

SettingArgument = Annotated[str, typer.Argument(help=f"One of {', '.join(SETTINGS)}.", metavar="SETTING")]
DataOption = Annotated[
    Path, typer.Option("--data", help="Folder of the data set's files, or its one file.", metavar="PATH")
]
FolderOption = Annotated[
    Path | None,
    typer.Option("--run", help="Folder of what is finished; default runs/overfitted-SETTING.", metavar="DIR"),
]
JobsOption = Annotated[int, typer.Option("--jobs", min=1, help="At a time.", metavar="N")]


@app.command("networks", epilog="Example: python -m studies.overfitted networks location30 --data data/location30")
def train(
    setting: SettingArgument,
    data: DataOption,
    run: FolderOption = None,
    numbers: Annotated[
        str | None, typer.Option("--networks", help="Only these, e.g. 0-7; a file a network is kept.", metavar="A-B")
    ] = None,
    jobs: JobsOption = 1,
    quiet: QuietOption = False,
) -> None:
    """Train the networks on a GPU where there is one, make their variants and keep what each answers."""
    chosen = setting_of(setting)
    with progress(quiet=quiet) as shown:
        networks.conduct(
            chosen, data, _folder(run, chosen), numbers=_numbers(numbers, chosen), jobs=jobs, progress=shown
        )


@app.command("attack", epilog="Example: python -m studies.overfitted attack location30 --data data/location30")
def attack(
    setting: SettingArgument,
    data: DataOption,
    run: FolderOption = None,
    names: Annotated[
        list[str] | None, typer.Option("--attack", help="Only this attack; repeat for more.", metavar="NAME")
    ] = None,
    targets: Annotated[
        int | None, typer.Option("--targets", min=1, help="Only so many of each part.", metavar="N")
    ] = None,
    jobs: JobsOption = 1,
    quiet: QuietOption = False,
) -> None:
    """Attack the targets with the others as references; what is finished is kept."""
    chosen = setting_of(setting)
    records = read(chosen, data)
    with progress(quiet=quiet) as shown:
        attacking.conduct(
            chosen,
            records.labels[: records.asked],
            _folder(run, chosen),
            names=names,
            targets=None if targets is None else range(targets),
            jobs=jobs,
            progress=shown,
        )


@app.command("page", epilog="Example: python -m studies.overfitted page location30 --data data/location30")
def write_page(
    setting: SettingArgument,
    data: DataOption,
    run: FolderOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Default docs/study-overfitted-SETTING.md.", metavar="FILE.md")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the page from what is finished."""
    chosen = setting_of(setting)
    records, folder = read(chosen, data), _folder(run, chosen)
    findings = [gather(chosen, part, records.labels[: records.asked], folder) for part in chosen.parts]
    result = {"setting": chosen.to_json(), "parts": [one.to_json() for one in findings]}
    place = out or Path("docs") / f"study-overfitted-{chosen.name}.md"
    files = publish(place, page_text(chosen, findings), findings=result, data=folder / "study.json")
    show_sentences(result, _said(chosen, findings), files, as_json=as_json)


def _said(setting: Setting, findings: Sequence[Findings]) -> list[str]:
    return [summary(setting, findings), *(line for part in findings for line in sentences(part))]


def _folder(run: Path | None, setting: Setting) -> Path:
    return run or Path("runs") / f"overfitted-{setting.name}"


def _numbers(text: str | None, setting: Setting) -> Sequence[int]:
    """The networks that ``A-B`` names.

    Raises:
        UsageError: it names none of the setting's.
    """
    if text is None:
        return range(setting.networks)
    first, _, last = text.partition("-")
    if not first.isdecimal() or not (last or first).isdecimal() or not int(first) <= int(last or first):
        raise UsageError(f"--networks {text}: not a number, nor two of them", hint="e.g. 0-7")
    if int(last or first) >= setting.networks:
        raise UsageError(f"--networks {text}: {setting.name} has networks 0-{setting.networks - 1}")
    return range(int(first), int(last or first) + 1)
