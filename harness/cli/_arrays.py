"""Verbs that look at arrays as well as at runs: attacks on answers, and the MIS indicator on losses."""

from __future__ import annotations

import json
from typing import Annotated

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
from harness.errors import UsageError


@app.command(
    help=VERBS["attack"].help,
    epilog="Examples: edgeleak attack audit.toml; edgeleak attack answers.npz --json (a look that keeps nothing)",
)
def attack(
    source: SourceArgument = DEFAULT_CONFIG,
    run: RunOption = None,
    device: DevicesOption = None,
    mode: ModeOption = None,
    seed: SeedOption = None,
    null: NullOption = False,
    names: AttackOption = None,
    answers: AnswersOption = None,
    top_k: TopKOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Attack a run's answers; or arrays from anywhere, without a run unless --run names one."""
    shown = exposed(answers, top_k)
    if source.suffix != ".npz" or run is not None:
        config = configure(source, devices=device, mode=mode, seed=seed, null=null)
        if names or shown:
            option = "--attack" if names else "--answers"
            raise UsageError(f"{option} is for arrays without a run", hint="write it under [attack] in audit.toml")
        return do_stage("attack", config, run, as_json=as_json, quiet=quiet)
    from harness.arrays import attack_file
    from harness.config import AttackConfig

    with ProgressView(err, quiet=quiet) as view:
        settings = AttackConfig().model_copy(update=shown)
        result = attack_file(source, names=names, settings=settings, seed=seed or 0, progress=view)
    _show(result, result | {"attacks": result, "data": {"exposure": result["exposure"]}}, as_json=as_json)
    return None


@app.command(help=VERBS["mis"].help, epilog="Examples: edgeleak mis audit.toml; edgeleak mis losses.npz --n 50000")
def mis(
    source: SourceArgument = DEFAULT_CONFIG,
    n: Annotated[int | None, typer.Option("--n", help="For arrays: size of the training set.", min=2)] = None,
    run: RunOption = None,
    device: DevicesOption = None,
    mode: ModeOption = None,
    seed: SeedOption = None,
    null: NullOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Estimate the MIS indicator of a run's quantizers, or of loss matrices from anywhere."""
    if source.suffix != ".npz":
        config = configure(source, devices=device, mode=mode, seed=seed, null=null)
        return do_stage("mis", config, run, as_json=as_json, quiet=quiet)
    if n is None:
        raise UsageError(f"{source}: the size of the training set is missing", hint="add --n, e.g. --n 50000")
    from harness.arrays import mis_file

    result = mis_file(source, n=n, seed=seed or 0)
    _show(result, result | {"mis": result}, as_json=as_json)
    return None


def _show(result: dict[str, object], shown: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        out.print_json(json.dumps(result))
        return
    from harness.report import Report, findings

    out.print(findings(Report.from_json(shown)))
