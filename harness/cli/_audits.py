"""Verbs that do a whole audit."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli._app import (
    DEFAULT_CONFIG,
    AnswersOption,
    ArtifactOption,
    AttackOption,
    DevicesOption,
    FreshOption,
    JsonOption,
    LabelOption,
    MaxAucOption,
    MaxIncreaseOption,
    MembersOption,
    ModeOption,
    NonmembersOption,
    NullOption,
    PolicyOption,
    PopulationOption,
    QuietOption,
    RecordsOption,
    RunOption,
    SeedOption,
    ShadowOption,
    TopKOption,
    VerboseOption,
    app,
    configure,
    err,
    exposed,
    folder_of,
    out,
    show_report,
    with_options,
    with_policy,
)
from harness.cli._console import ProgressView
from harness.cli._example import example
from harness.cli._github import tell_github
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.config import AuditConfig

AUDIT_EXAMPLES = (
    "Examples: edgeleak audit audit.toml --device grpc://127.0.0.1:50051; edgeleak audit --artifact original=a.tflite "
    "--artifact int8=b.tflite --members m.npz --nonmembers n.npz --max-increase 0.05; edgeleak audit answers.npz"
)


@app.command(epilog=AUDIT_EXAMPLES)
def audit(
    source: Annotated[
        Path | None,
        typer.Argument(metavar="[AUDIT.toml|ANSWERS]", help="Configuration, or answers; default audit.toml."),
    ] = None,
    artifact: ArtifactOption = None,
    members: MembersOption = None,
    nonmembers: NonmembersOption = None,
    records: RecordsOption = None,
    population: PopulationOption = None,
    label: LabelOption = None,
    attack: AttackOption = None,
    shadow: ShadowOption = None,
    answers: AnswersOption = None,
    top_k: TopKOption = None,
    max_auc: MaxAucOption = None,
    max_increase: MaxIncreaseOption = None,
    policy: PolicyOption = None,
    run: RunOption = None,
    device: DevicesOption = None,
    mode: ModeOption = None,
    seed: SeedOption = None,
    null: NullOption = False,
    as_json: JsonOption = False,
    fresh: FreshOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Do a whole audit and judge it: of a network that is trained here, of files that ship, or of answers.

    The stages are train, export, collect, bench, attack, mis, gate and report; files that ship begin with collect,
    answers with attack. The same command resumes.
    """
    from harness.subject.draft import Draft, holds_answers, named_files

    draft = Draft(
        artifacts=named_files(artifact or ()),
        members=members,
        nonmembers=nonmembers,
        records=records,
        population=population,
        label=label,
        answers=source if source is not None and holds_answers(source) else None,
        shadows=shadow or (),
        attacks=attack or (),
        max_auc=max_auc,
        max_increase=max_increase,
    )
    if draft.is_empty:
        if attack or max_auc is not None or max_increase is not None or population or label:
            raise UsageError(
                "--attack, --max-auc, --max-increase, --population and --label describe an audit of files or answers",
                hint=f"write them into {source or DEFAULT_CONFIG}",
            )
        config = configure(source or DEFAULT_CONFIG, devices=device, mode=mode, seed=seed, null=null)
    elif source is not None and draft.answers is None:
        raise UsageError(f"{source}: --artifact and records describe an audit already", hint="leave one of them out")
    else:
        config = with_options(draft.config(), devices=device, mode=mode, seed=seed, null=null)
    if policy is not None and (max_auc is not None or max_increase is not None):
        raise UsageError(
            f"--policy {policy}: holds the whole policy",
            hint="leave --max-auc and --max-increase out, or --policy and EDGELEAK_POLICY",
        )
    config = with_policy(config, policy)
    shown = exposed(answers, top_k)
    if shown:
        config = config.with_changes(attack=config.attack.model_copy(update=shown))
    _audit(config, run, as_json=as_json, fresh=fresh, quiet=quiet, verbose=verbose)


@app.command(epilog="Example: edgeleak demo --json > demo.json")
def demo(
    run: RunOption = None,
    policy: PolicyOption = None,
    device: DevicesOption = None,
    mode: ModeOption = None,
    seed: SeedOption = None,
    null: NullOption = False,
    as_json: JsonOption = False,
    fresh: FreshOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Audit the bundled example, examples/digits.toml."""
    with resources.as_file(example()) as path:
        config = with_policy(configure(path, devices=device, mode=mode, seed=seed, null=null), policy)
    _audit(config, run, as_json=as_json, fresh=fresh, quiet=quiet, verbose=verbose)


def _audit(config: AuditConfig, folder: Path | None, *, as_json: bool, fresh: bool, quiet: bool, verbose: bool) -> None:
    from harness.audit.check import check
    from harness.audit.context import Context
    from harness.audit.plan import audit_all, stages_of
    from harness.policy import exit_code
    from harness.store import Run

    check(config)
    place = folder_of(folder, config)
    if fresh:
        Run.delete(place)
    with (
        Run.open(place, config) as run,
        ProgressView(err, quiet=quiet, stages=stages_of(config)) as view,
        Context(view, config.device, say=view.say) as context,
    ):
        report, verdict = audit_all(config, run, context)
    if as_json:
        out.print_json(json.dumps(report))
    else:
        show_report(report, place, everything=verbose)
    tell_github(place, as_json=as_json)
    raise typer.Exit(exit_code(verdict))
