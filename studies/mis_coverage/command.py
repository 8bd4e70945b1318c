"""The command line of the study: simulate what is missing, write the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli import JsonOption, QuietOption, show_sentences
from harness.errors import UsageError
from harness.files import write
from studies.kit.command import PageOption, RunOption, SeedOption, application, progress
from studies.kit.pages import publish
from studies.mis_coverage import comparisons, leakage, rate
from studies.mis_coverage.laws import LAWS
from studies.mis_coverage.page import page as page_text
from studies.mis_coverage.page import sentences

app = application()

Row = dict[str, Any]
Progress = Callable[[str, int, int], object]
PARTS = ("leakage", "comparisons", "rate", "differences")
# A look only: too few audits to conclude from.
QUICK_AUDITS, QUICK_CASES = 4, 2


@app.command(epilog="Example: python -m studies.mis_coverage --part leakage --audits 400")
def coverage(
    run: RunOption = Path("runs/mis-coverage"),
    page: PageOption = Path("docs/mis-coverage.md"),
    seed: SeedOption = 0,
    audits: Annotated[int, typer.Option("--audits", min=1, help="Simulated a case.", metavar="N")] = 400,
    parts: Annotated[
        list[str] | None,
        typer.Option("--part", help=f"Only this: {', '.join(PARTS)}; repeat for more.", metavar="NAME"),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A look only: too small to conclude from.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Simulate audits under laws that are known, and count how often the intervals hold the truth."""
    for part in parts or ():
        if part not in PARTS:
            raise UsageError(f"--part {part} is unknown", hint=f"one of {', '.join(PARTS)}")
    with progress(quiet=quiet) as shown:
        findings = conduct(
            run, audits=QUICK_AUDITS if quick else audits, seed=seed, parts=parts or PARTS, quick=quick, progress=shown
        )
    files = publish(page, page_text(findings), findings=findings, data=run / "findings.json")
    show_sentences(findings, sentences(findings), files, as_json=as_json)


def conduct(
    folder: Path, *, audits: int, seed: int, parts: list[str] | tuple[str, ...], quick: bool, progress: Progress
) -> Row:
    """Simulate every case of the parts asked for that the folder does not hold yet; of others take what it holds."""
    last = QUICK_CASES if quick else None
    work: dict[str, list[Callable[[], Row]]] = {
        "leakage": [partial(leakage.row_of, law, audits=audits, seed=seed, progress=progress) for law in LAWS[:last]],
        "comparisons": [
            partial(comparisons.row_of, twins, audits=audits, seed=seed, progress=progress)
            for twins in comparisons.TWINS[:last]
        ],
        "rate": [partial(_rate, case, audits, seed, progress) for case in rate.CASES[:last]],
        "differences": [partial(_difference, pair, audits, seed, progress) for pair in rate.PAIRS[:last]],
    }
    found: Row = {"audits": audits, "seed": seed}
    for part, cases in work.items():
        rows = [
            _kept(folder / f"{part}-{number}-{audits}-{seed}.json", case if part in parts else None)
            for number, case in enumerate(cases)
        ]
        found[part] = [row for row in rows if row is not None]
    return found


def _rate(case: rate.RateCase, audits: int, seed: int, progress: Progress) -> Row:
    progress(f"{case.name}, N = {case.points}", 0, audits)
    return rate.rows(audits=audits, seed=seed, cases=[case])[0]


def _difference(pair: rate.Pair, audits: int, seed: int, progress: Progress) -> Row:
    progress(pair.name, 0, audits)
    return rate.difference_rows(audits=audits, seed=seed, pairs=[pair])[0]


def _kept(file: Path, case: Callable[[], Row] | None) -> Row | None:
    if file.exists():
        held: Row = json.loads(file.read_text())
        return held
    if case is None:
        return None
    row = case()
    write(file, json.dumps(row, allow_nan=False).encode() + b"\n", parents=True)
    return row
