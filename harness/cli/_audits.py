"""Verbs that audit: the whole of it, its stages one by one, and the doors for arrays."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from harness.arrays import attack_file, mis_file
from harness.audit.plan import STAGES, Context, audit_all, run_stage
from harness.cli._app import (
    DEFAULT_CONFIG,
    ConfigArgument,
    DeviceOption,
    FreshOption,
    JsonOption,
    NullOption,
    QuietOption,
    RunOption,
    SeedOption,
    SourceArgument,
    app,
    configure,
    err,
    example,
    folder_of,
    out,
    show,
)
from harness.cli._console import ProgressView
from harness.config import AuditConfig
from harness.errors import UsageError
from harness.policy import Verdict, exit_code
from harness.report import Report, summary
from harness.store import Run


@app.command(epilog="Example: edgeleak audit examples/digits.toml --device grpc://127.0.0.1:50051")
def audit(
    config: ConfigArgument = DEFAULT_CONFIG,
    run: RunOption = None,
    device: DeviceOption = None,
    seed: SeedOption = None,
    null: NullOption = False,
    as_json: JsonOption = False,
    fresh: FreshOption = False,
    quiet: QuietOption = False,
) -> None:
    """Do the whole audit and judge it: train, export, collect, bench, attack, mis, gate, report."""
    _audit(configure(config, device=device, seed=seed, null=null), run, as_json=as_json, fresh=fresh, quiet=quiet)


@app.command(epilog="Example: edgeleak demo --json > demo.json")
def demo(
    run: RunOption = None,
    device: DeviceOption = None,
    seed: SeedOption = None,
    null: NullOption = False,
    as_json: JsonOption = False,
    fresh: FreshOption = False,
    quiet: QuietOption = False,
) -> None:
    """Audit the bundled example: `edgeleak audit examples/digits.toml`, and nothing more."""
    with resources.as_file(example()) as path:
        _audit(configure(path, device=device, seed=seed, null=null), run, as_json=as_json, fresh=fresh, quiet=quiet)


def _stage_command(stage: str, purpose: str) -> Callable[..., None]:
    def command(
        config: ConfigArgument = DEFAULT_CONFIG,
        run: RunOption = None,
        device: DeviceOption = None,
        seed: SeedOption = None,
        null: NullOption = False,
        as_json: JsonOption = False,
        quiet: QuietOption = False,
    ) -> None:
        _stage(stage, configure(config, device=device, seed=seed, null=null), run, as_json=as_json, quiet=quiet)

    command.__doc__ = purpose
    return command


for _name, (_, _purpose) in STAGES.items():
    if _name not in ("attack", "mis"):  # these two also take arrays
        app.command(name=_name, help=_purpose, epilog=f"Example: edgeleak {_name} examples/digits.toml")(
            _stage_command(_name, _purpose)
        )


@app.command(
    help=STAGES["attack"][1], epilog="Examples: edgeleak attack audit.toml; edgeleak attack answers.npz --json"
)
def attack(
    source: SourceArgument = DEFAULT_CONFIG,
    run: RunOption = None,
    seed: SeedOption = None,
    null: NullOption = False,
    names: Annotated[
        list[str] | None,
        typer.Option("--attack", help="For arrays: an attack to run; may be repeated.", metavar="NAME"),
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Attack a run's answers, or confidence arrays from anywhere."""
    if source.suffix != ".npz":
        config = configure(source, device=None, seed=seed, null=null)
        return _stage("attack", config, run, as_json=as_json, quiet=quiet)
    with ProgressView(err, quiet=quiet) as view:
        found = attack_file(source, names=names, seed=seed or 0, progress=view)
    show(found, as_json=as_json, shown={"attacks": found, "null_calibration": found["null_calibration"]})
    return None


@app.command(help=STAGES["mis"][1], epilog="Examples: edgeleak mis audit.toml; edgeleak mis losses.npz --n 50000")
def mis(
    source: SourceArgument = DEFAULT_CONFIG,
    n: Annotated[int | None, typer.Option("--n", help="For arrays: size of the training set.", min=2)] = None,
    run: RunOption = None,
    device: DeviceOption = None,
    seed: SeedOption = None,
    null: NullOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Estimate the MIS indicator of a run's quantizers, or of loss matrices from anywhere."""
    if source.suffix != ".npz":
        config = configure(source, device=device, seed=seed, null=null)
        return _stage("mis", config, run, as_json=as_json, quiet=quiet)
    if n is None:
        raise UsageError(f"{source}: the size of the training set is missing", hint="add --n, e.g. --n 50000")
    found = mis_file(source, n=n, seed=seed or 0)
    show(found, as_json=as_json, shown={"mis": found})
    return None


def _audit(config: AuditConfig, folder: Path | None, *, as_json: bool, fresh: bool, quiet: bool) -> None:
    place = folder_of(folder, config)
    if fresh:
        Run.delete(place)
    with (
        Run.open(place, config) as run,
        ProgressView(err, quiet=quiet) as view,
        Context(view, config.device.url) as context,
    ):
        report, verdict = audit_all(config, run, context)
    if as_json:
        out.print_json(json.dumps(report))
    else:
        out.print(summary(Report.from_json(report), files=(place / "report.json", place / "report.html")))
    raise typer.Exit(exit_code(verdict))


def _stage(stage: str, config: AuditConfig, folder: Path | None, *, as_json: bool, quiet: bool) -> None:
    with (
        Run.open(folder_of(folder, config), config) as run,
        ProgressView(err, quiet=quiet) as view,
        Context(view, config.device.url) as context,
    ):
        result = run_stage(stage, config, run, context)
    if as_json:
        out.print_json(json.dumps(result))
    else:
        out.print(f"{stage}: done, in {run.folder}", soft_wrap=True)
    if stage == "gate":
        raise typer.Exit(exit_code(Verdict.from_json(result)))
