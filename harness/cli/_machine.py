"""Verbs around an audit: this machine, several runs at once, a configuration to start from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness import doctor
from harness.cli._app import DEFAULT_CONFIG, JsonOption, app, example, out
from harness.compare.calibration import pool
from harness.errors import ConfigError, UsageError
from harness.policy import exit_code, judge_pooled


@app.command(name="doctor", epilog="Example: edgeleak doctor --json")
def doctor_command(as_json: JsonOption = False) -> None:
    """Check this machine: interpreter, packages, runtimes, a real agent, disk."""
    checks = doctor.examine()
    if as_json:
        out.print_json(json.dumps([check.to_json() for check in checks]))
    else:
        out.print(doctor.table(checks))
    raise typer.Exit(0 if all(check.ok for check in checks) else 3)


@app.command(epilog="Example: edgeleak calibrate runs/digits-null-1 runs/digits-null-2 runs/digits-null-3")
def calibrate(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, one per seed.")],
    as_json: JsonOption = False,
) -> None:
    """Pool finished runs: do their intervals miss AUC 0.5 more often than chance allows? Null twins must not."""
    pooled, rows = pool(runs)
    verdict = judge_pooled(pooled)
    if as_json:
        out.print_json(json.dumps({"pooled": pooled.to_json(), "runs": rows, "gate": verdict.to_json()}))
    else:
        for row in rows:
            out.print(f"{row['run']}: {row['miss_share']:.1%} of {row['attacks']} miss 0.5", soft_wrap=True)
        out.print(f"{verdict.outcome}: {verdict.rules[0].reason}", soft_wrap=True)
    raise typer.Exit(exit_code(verdict))


@app.command(epilog="Example: edgeleak init my-audit.toml")
def init(path: Annotated[Path, typer.Argument(metavar="AUDIT.toml")] = DEFAULT_CONFIG) -> None:
    """Write a commented audit.toml to start from."""
    if path.exists():
        raise UsageError(f"{path}: exists already", hint="give another name, or delete it")
    try:
        path.write_text(example().read_text())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
    out.print(f"wrote {path}; next: edgeleak audit {path}", soft_wrap=True)
