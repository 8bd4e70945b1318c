"""The stages of an audit as verbs: those that make something; `attack` and `mis` also look at arrays without a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli._app import (
    DEFAULT_CONFIG,
    DevicesOption,
    JsonOption,
    ModeOption,
    NullOption,
    QuietOption,
    RunOption,
    SeedOption,
    SourceArgument,
    app,
    configure,
    err,
    folder_of,
    out,
)
from harness.cli._console import ProgressView
from harness.cli._verbs import VERBS

if TYPE_CHECKING:
    from harness.config import AuditConfig

__all__ = ["do_stage"]


def _verb(stage: str) -> Callable[..., None]:
    def command(
        source: SourceArgument = DEFAULT_CONFIG,
        run: RunOption = None,
        device: DevicesOption = None,
        mode: ModeOption = None,
        seed: SeedOption = None,
        null: NullOption = False,
        as_json: JsonOption = False,
        quiet: QuietOption = False,
    ) -> None:
        config = configure(source, devices=device, mode=mode, seed=seed, null=null)
        do_stage(stage, config, run, as_json=as_json, quiet=quiet)

    return command


for _name in ("train", "export", "collect", "bench"):
    app.command(name=_name, help=VERBS[_name].help, epilog=f"Example: edgeleak {_name} audit.toml")(_verb(_name))


def do_stage(stage: str, config: AuditConfig, folder: Path | None, *, as_json: bool, quiet: bool) -> None:
    """Do one stage of an audit that makes something, and say where it is."""
    from harness.audit.check import check
    from harness.audit.context import Context
    from harness.audit.plan import run_stage, stages_of
    from harness.store import Run

    check(config)
    with (
        Run.open(folder_of(folder, config), config) as run,
        ProgressView(err, quiet=quiet, stages=stages_of(config)) as view,
        Context(view, config.device, say=view.say) as context,
    ):
        result = run_stage(stage, config, run, context)
    if as_json:
        out.print_json(json.dumps(result))
    else:
        out.print(f"{stage}: done, in {run.folder}", soft_wrap=True, markup=False)
