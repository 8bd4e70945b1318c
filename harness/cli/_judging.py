"""Verbs that judge and report a finished run; they read it and ask no device."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli._app import (
    DEFAULT_CONFIG,
    JsonOption,
    NullOption,
    PolicyOption,
    QuietOption,
    RunOption,
    SeedOption,
    SourceArgument,
    app,
    configure,
    err,
    folder_of,
    out,
    show_report,
    with_policy,
)
from harness.cli._console import ProgressView
from harness.cli._github import tell_github
from harness.cli._report_files import FormatOption, PdfOption, RecordsByIdOption, ScoresOption, report_changes
from harness.cli._verbs import VERBS
from harness.errors import RunError

__all__ = ["do_judging"]

# Of what `gate --json` prints.
GATE_SCHEMA = "edgeleak.gate/1"


@app.command(
    help=VERBS["gate"].help,
    epilog="Examples: edgeleak gate audit.toml --policy policy.toml; edgeleak gate --run runs/digits --json",
)
def gate(
    source: SourceArgument = DEFAULT_CONFIG,
    run: RunOption = None,
    policy: PolicyOption = None,
    seed: SeedOption = None,
    null: NullOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Judge a finished run again."""
    from harness.policy import Verdict, exit_code

    result, folder = do_judging("gate", source, run, seed=seed, null=null, quiet=quiet, policy=policy)
    judged = Verdict.from_json(result)
    if as_json:
        out.print_json(json.dumps({"schema": GATE_SCHEMA, **result}))
    else:
        from harness.report import verdict

        out.print(verdict(judged, name=str(folder)))
    tell_github(folder, as_json=as_json)
    raise typer.Exit(exit_code(judged))


@app.command(
    help=VERBS["report"].help,
    epilog="Examples: edgeleak report audit.toml; edgeleak report --format junit --format sarif; edgeleak report --pdf",
)
def report(
    source: SourceArgument = DEFAULT_CONFIG,
    run: RunOption = None,
    seed: SeedOption = None,
    null: NullOption = False,
    everything: Annotated[bool, typer.Option("--all", help="Show every table, and not the short of it.")] = False,
    formats: FormatOption = None,
    scores: ScoresOption = False,
    records: RecordsByIdOption = False,
    pdf: PdfOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Report a finished run again."""
    changes = report_changes(formats, scores=scores, records=records, pdf=pdf)
    result, folder = do_judging("report", source, run, seed=seed, null=null, quiet=quiet, changes=changes)
    if pdf:
        from harness.report.pdf import PDF, print_page

        print_page(folder / "report.html", folder / PDF)
    if as_json:
        out.print_json(json.dumps(result))
    else:
        show_report(result, folder, everything=everything)
    tell_github(folder, as_json=as_json)


def do_judging(
    stage: str,
    source: Path,
    chosen: Path | None,
    *,
    seed: int | None,
    null: bool,
    quiet: bool,
    changes: Mapping[str, object] | None = None,
    policy: Path | None = None,
) -> tuple[dict[str, Any], Path]:
    """Do a stage that reads what was found, in a run that is there; what is judged anew is also reported anew.

    Args:
        stage: gate or report.
        source: the configuration.
        chosen: the run's folder; None takes the one of the audit's name.
        seed: replaces the configuration's.
        null: of the null twin.
        quiet: show no progress.
        changes: keys of `[report]` that options replace.
        policy: a policy's own file, in place of the configuration's.

    Returns:
        What the stage found, and the run's folder.

    Raises:
        RunError: there is no run; no folder is made.
    """
    from harness.audit.context import Context
    from harness.audit.plan import run_stage
    from harness.store import Run

    config = with_policy(configure(source, seed=seed, null=null), policy)
    if changes:
        config = config.with_changes(report=config.report.changed(**changes))
    folder = folder_of(chosen, config)
    if not (folder / "manifest.json").is_file():
        raise RunError(f"{folder}: no run is there", hint=f"name it with --run, or make it: edgeleak audit {source}")
    with (
        Run.open(folder, config) as run,
        ProgressView(err, quiet=quiet) as view,
        Context(view, config.device, say=view.say) as context,
    ):
        result = run_stage(stage, config, run, context)
        if stage == "gate":
            # Every file of the report tells the verdict, and none may tell an earlier one.
            run_stage("report", config, run, context)
        return result, folder
