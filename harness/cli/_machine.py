"""Verbs around an audit: this machine, and several runs at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.cli._app import DeviceOption, JsonOption, app, one_device, out

# As `harness.doctor` has it, which loads what talks to devices; a test compares them.
Purpose = Literal["arrays", "files", "train", "phone"]
PurposeOption = Annotated[
    Purpose | None,
    typer.Option(
        "--for",
        help="What must work: attacks on arrays, audits of files, training, or a phone. Default: arrays; files where a "
        "device is named.",
    ),
]


@app.command(
    name="doctor",
    epilog="Examples: edgeleak doctor --device grpc://kitchen-pi.local:50051; edgeleak doctor --for phone",
)
def doctor_command(device: DeviceOption = None, purpose: PurposeOption = None, as_json: JsonOption = False) -> None:
    """Check this machine: interpreter, packages, runtimes, a real agent, adb, disk.

    What is marked !! keeps what was asked for from working, and the exit code is 3; what is marked -- does not.
    """
    from harness import doctor

    if device is not None:
        one_device(device)
    checks = doctor.examine(device, purpose=purpose)
    if as_json:
        out.print_json(json.dumps([check.to_json() for check in checks]))
    else:
        out.print(doctor.table(checks))
    raise typer.Exit(3 if any(check.breaks for check in checks) else 0)


@app.command(epilog="Example: edgeleak calibrate runs/digits-null-1 runs/digits-null-2 runs/digits-null-3")
def calibrate(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, one per seed.")],
    as_json: JsonOption = False,
) -> None:
    """Pool finished runs: do their intervals miss AUC 0.5 more often than chance allows? Null twins must not."""
    from harness.compare.calibration import pool
    from harness.policy import exit_code, judge_pooled

    pooled, calibrated = pool(runs)
    verdict = judge_pooled(pooled)
    if as_json:
        rows = [run.to_json() for run in calibrated]
        out.print_json(json.dumps({"pooled": pooled.to_json(), "runs": rows, "gate": verdict.to_json()}))
    else:
        for run in calibrated:
            summary = run.summary
            out.print(f"{run.folder}: {summary.miss_share:.1%} of {summary.attacks} miss 0.5", soft_wrap=True)
        out.print(f"{verdict.outcome}: {verdict.rules[0].reason}", soft_wrap=True)
    raise typer.Exit(exit_code(verdict))
