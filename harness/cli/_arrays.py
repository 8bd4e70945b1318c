"""Verbs that look at arrays as well as at runs: attacks on answers, and the leakage of quantizers from losses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli._app import (
    DEFAULT_CONFIG,
    AnswersOption,
    AttackOption,
    DevicesOption,
    JsonOption,
    ModeOption,
    NullOption,
    QuietOption,
    RunOption,
    SeedOption,
    ShadowOption,
    SourceArgument,
    TopKOption,
    app,
    configure,
    err,
    exposed,
    out,
)
from harness.cli._console import ProgressView
from harness.cli._stages import do_stage
from harness.cli._verbs import VERBS
from harness.errors import UnresolvedError, UsageError

if TYPE_CHECKING:
    from harness.report import Report

# No training set is larger.
LARGEST_N = 10**15


@app.command(
    help=VERBS["attack"].help,
    epilog="Examples: edgeleak attack answers.csv --out scores.csv --out report.html; edgeleak attack answers.npz "
    "--fpr 0.01 --json; edgeleak attack --list; edgeleak attack audit.toml",
)
def attack(
    source: SourceArgument = DEFAULT_CONFIG,
    run: RunOption = None,
    device: DevicesOption = None,
    mode: ModeOption = None,
    seed: SeedOption = None,
    null: NullOption = False,
    names: AttackOption = None,
    shadow: ShadowOption = None,
    answers: AnswersOption = None,
    top_k: TopKOption = None,
    fpr: Annotated[
        list[float] | None,
        typer.Option("--fpr", help="For arrays: a rate of false alarms to report at; repeat.", metavar="RATE"),
    ] = None,
    level: Annotated[
        float | None, typer.Option("--level", help="For arrays: coverage of the intervals; default 0.95.", metavar="X")
    ] = None,
    to: Annotated[
        list[Path] | None,
        typer.Option(
            "--out",
            help="For arrays: a file to write; its suffix says what: .csv, .parquet, .npz the records' scores, .html a "
            "page, .svg the ROC curves, .json the figures. Repeat.",
            metavar="FILE",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files of --out that are there.")] = False,
    listed: Annotated[
        bool, typer.Option("--list", help="List the attacks: what each does, needs and comes from.")
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Attack a run's answers; or arrays from anywhere, without a run unless --run names one."""
    if listed:
        return _list(as_json=as_json)
    shown = exposed(answers, top_k)
    from harness.subject.draft import holds_answers

    if not holds_answers(source) or run is not None:
        of_arrays = {
            "--attack": names, "--answers": shown, "--shadow": shadow, "--fpr": fpr, "--level": level, "--out": to,
        }  # fmt: skip
        if given := [option for option, value in of_arrays.items() if value]:
            raise UsageError(
                f"{given[0]}: is for arrays without a run", hint="write it under [attack] or [answers] in audit.toml"
            )
        config = configure(source, devices=device, mode=mode, seed=seed, null=null)
        return do_stage("attack", config, run, as_json=as_json, quiet=quiet)
    _require_no_device(device, mode, null=null)
    from harness import arrays

    places = tuple(to or ())
    arrays.require_places(places, inputs=(source, *(shadow or ())), overwrite=overwrite)
    with ProgressView(err, quiet=quiet) as view:
        found = arrays.attack(
            source,
            shadows=tuple(shadow or ()),
            attacks=names,
            fprs=tuple(fpr) if fpr else arrays.FPRS,
            level=0.95 if level is None else level,
            seed=seed or 0,
            progress=view,
            shown=answers or "vector",
            top_k=top_k or arrays.TOP_K,
        )
    if found.results:
        for place in places:
            arrays.write(found, place)
    if not as_json:
        from harness.report import headline

        said = headline(found.report)
        out.print(" ".join(filter(None, (said.found, said.compression))), markup=False)
    _show(found.to_json(), found.report, as_json=as_json)
    if not found.results:
        nothing = ", and nothing was written" if places else ""
        raise UnresolvedError(f"{source}: no attack ran{nothing}", hint="the result says what each one lacks")
    if places and not as_json:
        out.print("Written: " + ", ".join(map(str, places)), soft_wrap=True, markup=False)
    return None


def _list(*, as_json: bool) -> None:
    from harness.attacks import NEEDS, catalogue

    rows = catalogue()
    if as_json:
        out.print_json(json.dumps([row.to_json() for row in rows]))
        return
    for row in rows:
        default = " (runs unless others are named)" if row.is_default else ""
        out.print(f"{row.name}{default}", soft_wrap=True, markup=False, style="bold")
        lines = (
            row.sentence,
            f"{row.adversary}, family {row.family}; needs {', '.join(NEEDS[need] for need in row.needs)}",
            row.paper,
        )
        for line in filter(None, lines):
            out.print(f"  {line}", soft_wrap=True, markup=False)


def _require_no_device(device: object, mode: object, *, null: bool) -> None:
    """Raise where an option is given that answers have no use for: they exist already."""
    for option, value in (("--device", device), ("--mode", mode), ("--null", null)):
        if value:
            raise UsageError(f"{option}: answers from anywhere have no device and no null twin", hint="leave it out")


@app.command(
    help=VERBS["mis"].help,
    epilog="Examples: edgeleak mis audit.toml; edgeleak mis losses.npz --n 50000; edgeleak mis losses.npz --n 50000 "
    "--level 0.9 --json",
)
def mis(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="AUDIT.toml|LOSSES.npz",
            help="The configuration; or losses from anywhere, losses/QUANTIZER with a row a candidate and a column a "
            "held-out record.",
        ),
    ] = DEFAULT_CONFIG,
    n: Annotated[
        int | None,
        typer.Option(
            "--n",
            help="For arrays: size of the training set that the leakage is predicted for. Where the records are too "
            "few for it, the answer says how many are needed.",
            min=2,
            max=LARGEST_N,
        ),
    ] = None,
    level: Annotated[
        float | None, typer.Option("--level", help="For arrays: coverage of the intervals; default 0.95.", metavar="X")
    ] = None,
    run: RunOption = None,
    device: DevicesOption = None,
    mode: ModeOption = None,
    seed: SeedOption = None,
    null: NullOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Predict the membership leakage of a run's quantizers, or of loss matrices from anywhere."""
    if source.suffix != ".npz":
        for option, value in (("--n", n), ("--level", level)):
            if value is not None:
                raise UsageError(f"{option}: is for arrays without a run", hint="a run has its own, from audit.toml")
        config = configure(source, devices=device, mode=mode, seed=seed, null=null)
        return do_stage("mis", config, run, as_json=as_json, quiet=quiet)
    if n is None:
        raise UsageError(f"{source}: the size of the training set is missing", hint="add --n, e.g. --n 50000")
    _require_no_device(device, mode, null=null)
    from harness.arrays import mis_file
    from harness.report import Report

    result = mis_file(source, n=n, level=0.95 if level is None else level, seed=seed or 0)
    report = Report.from_json(result | {"mis": result})
    _show(result, report, as_json=as_json)
    if report.mis is None or not any(row.leakage.is_probed for row in report.mis.quantizers):
        raise UnresolvedError(f"{source}: nothing is predicted", hint="the result says what each quantizer lacks")
    return None


def _show(result: dict[str, object], report: Report, *, as_json: bool) -> None:
    if as_json:
        out.print_json(json.dumps(result))
        return
    from harness.report import findings

    out.print(findings(report))
