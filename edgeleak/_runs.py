"""Runs from Python: a whole audit, its report again, and its verdict under another policy."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.audit.check import check
from harness.audit.context import Context
from harness.audit.plan import audit_all
from harness.config import AuditConfig, load, load_policy
from harness.errors import RunError, UsageError
from harness.policy import Verdict
from harness.report import Report
from harness.store import Run
from harness.subject.draft import Draft, holds_answers

__all__ = ["audit", "judge", "load_run"]

Place = str | Path
Progress = Callable[[str, int, int], None]


def audit(
    source: Place | AuditConfig | None = None,
    *,
    artifacts: Mapping[str, Place] | None = None,
    members: Place | None = None,
    nonmembers: Place | None = None,
    population: Place | None = None,
    shadows: Sequence[Place] = (),
    attacks: Sequence[str] = (),
    max_auc: float | None = None,
    max_increase: float | None = None,
    run: Place | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Do a whole audit and judge it, as `edgeleak audit` does; the same call resumes.

    Args:
        source: an audit.toml or its configuration, or answers: .npz, .csv or .parquet. None where files are audited.
        artifacts: variant -> model file that ships.
        members: records of the training set, for files.
        nonmembers: records that were not in it.
        population: records outside every model's training set.
        shadows: tables of shadow models' answers, where answers are a table.
        attacks: names; empty for the default set.
        max_auc: fail where an attack's AUC is above this.
        max_increase: fail where it is above the original's by more than this.
        run: the run folder; None takes runs/NAME.
        fresh: delete the run folder first.
        progress: called with (label, done, total).

    Returns:
        The report; its ``verdict`` is the gate's, and the run folder holds report.json and report.html.

    Raises:
        EdgeleakError: of the kinds in `harness.errors`; the message says what is wrong and what to do.
    """
    draft = Draft(
        artifacts={name: Path(file) for name, file in (artifacts or {}).items()},
        members=_path(members),
        nonmembers=_path(nonmembers),
        population=_path(population),
        answers=Path(source) if isinstance(source, str | Path) and holds_answers(Path(source)) else None,
        shadows=tuple(map(Path, shadows)),
        attacks=tuple(attacks),
        max_auc=max_auc,
        max_increase=max_increase,
    )
    if draft.is_empty:
        if source is None:
            raise UsageError("there is nothing to audit", hint="give an audit.toml, answers, or artifacts and records")
        config = source if isinstance(source, AuditConfig) else load(Path(source))
        if attacks or shadows or max_auc is not None or max_increase is not None:
            raise UsageError("attacks, shadows and limits are the configuration's", hint="write them into audit.toml")
    elif source is not None and draft.answers is None:
        raise UsageError(f"{source}: artifacts and records describe an audit already", hint="leave one of them out")
    else:
        config = draft.config()
    check(config)
    folder = Path(run) if run is not None else Path("runs") / (config.name + ("-null" if config.null else ""))
    if fresh:
        Run.delete(folder)
    with Run.open(folder, config) as opened, Context(progress or _silent, config.device) as context:
        report, _ = audit_all(config, opened, context)
    return Report.from_json(report)


def load_run(run: Place) -> Report:
    """The report of a finished run.

    Args:
        run: the run folder, or its report.json.

    Raises:
        RunError: there is no report, or it is damaged.
    """
    path = Path(run) / "report.json" if Path(run).is_dir() else Path(run)
    try:
        return Report.from_json(json.loads(path.read_bytes()))
    except FileNotFoundError:
        raise RunError(f"{path}: no such file", hint="`edgeleak audit` or `edgeleak report` writes it") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read: {error}", hint="`edgeleak report` writes it again") from None


def judge(run: Place, policy: Place | None = None) -> Verdict:
    """Hold a finished run against a policy; nothing in the run changes.

    Args:
        run: the run folder.
        policy: a policy.toml; None takes the rules of the run's own configuration.

    Raises:
        RunError: there is no run, or it has no results yet.
        ConfigError: the policy cannot be used.
    """
    from harness.audit.stages.gate import judge as held

    config = Run.config_of(Path(run))
    if policy is not None:
        config = config.with_changes(gate=load_policy(Path(policy)))
    with Run.open(Path(run), config) as opened, Context(_silent, config.device) as context:
        return Verdict.from_json(held(config, opened, context))


def _path(place: Place | None) -> Path | None:
    return None if place is None else Path(place)


def _silent(_label: str, _done: int, _total: int) -> None:
    """Report to nobody."""
