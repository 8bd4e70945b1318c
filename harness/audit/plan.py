"""The plan: which stages an audit has, in which order, and what is checked before any is begun.

Each stage is a function of (configuration, run, context). What it found is kept as `results/<stage>.json`; its mark in
`stages/` is written last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from harness.audit.context import Context
from harness.config import AuditConfig, Kind
from harness.errors import UsageError
from harness.policy import Verdict
from harness.store import Run
from harness.subject import require_same_inputs

__all__ = [
    "ALWAYS",
    "ALWAYS_IN_ORDER",
    "MADE_ONCE",
    "ON_DEVICE",
    "STAGES",
    "Stage",
    "StageFunction",
    "audit_all",
    "perform",
    "run_stage",
    "run_stage_alone",
    "stages_of",
    "stages_of_a_device",
]

StageFunction = Callable[[AuditConfig, Run, Context], dict[str, Any]]


@dataclass(frozen=True)
class Stage:
    """One stage, named and not imported: a command loads the stages that it runs.

    Args:
        module: where it is, in `harness.audit.stages`.
        function: its name there.
        purpose: what it does, for the command line's help.
        kinds: the subjects that have it.
    """

    module: str
    function: str
    purpose: str
    kinds: tuple[Kind, ...] = ("trained", "supplied", "answers")

    def load(self) -> StageFunction:
        """The function itself."""
        return cast(StageFunction, getattr(import_module(f"harness.audit.stages.{self.module}"), self.function))


# In the order of an audit.
STAGES: Mapping[str, Stage] = {
    "train": Stage("train", "train", "Train the target and its shadow models, and compress them.", ("trained",)),
    "export": Stage("export", "export", "Export every variant of every model for every runtime.", ("trained",)),
    "collect": Stage(
        "collect",
        "collect",
        "Deploy the files and collect their confidence vectors through the agent.",
        ("trained", "supplied"),
    ),
    "bench": Stage("bench", "bench", "Measure the files' latency on the device.", ("trained", "supplied")),
    "attack": Stage("attack", "attack", "Run the NR, SR and MR attacks on what was collected."),
    "mis": Stage(
        "estimate_mis", "estimate_mis", "Predict what quantizers leak, and which is safer, on the device.", ("trained",)
    ),
    "gate": Stage("gate", "judge", "Hold the results against the policy; the exit code is the verdict."),
    "report": Stage("report", "report", "Write the report: page, JSON, JUnit, SARIF, Markdown and CSV."),
}
# These read results only and cost little: an audit always makes them anew, so that a changed policy takes effect.
ALWAYS_IN_ORDER = ("gate", "report")
ALWAYS = frozenset(ALWAYS_IN_ORDER)
# Stages that ask a device.
ON_DEVICE = frozenset({"collect", "bench", "mis"})
# Stages that do not know of any device.
MADE_ONCE = ("train", "export")


def stages_of(config: AuditConfig) -> tuple[str, ...]:
    """The stages that an audit of this kind has, in their order."""
    return tuple(name for name, stage in STAGES.items() if config.kind in stage.kinds)


def stages_of_a_device(config: AuditConfig) -> tuple[str, ...]:
    """Those of them that each of several devices has for itself before anything is judged."""
    return tuple(name for name in stages_of(config) if name not in MADE_ONCE and name not in ALWAYS)


def run_stage(name: str, config: AuditConfig, run: Run, context: Context) -> dict[str, Any]:
    """Do one stage, on every device where there are several: what it made before is kept, what is missing is made.

    Args:
        name: a key of `STAGES`.
        config: the audit.
        run: its open folder.
        context: device and progress.

    Returns:
        What the stage found; by the devices' names where each has its own.

    Raises:
        UsageError: this kind of audit has no such stage.
        EdgeleakError: the stage could not be done; what it finished is kept.
    """
    order = stages_of(config)
    if name not in order:
        raise UsageError(f"an audit of {_described(config)} has no stage {name!r}", hint=f"it has {', '.join(order)}")
    if name in ALWAYS:
        _judge_devices_alone(name, config, run, context)
        return run_stage_alone(name, config, run, context)
    if config.device.replicates:
        from harness.audit.replicate import run_stage_of_devices

        return run_stage_of_devices(name, config, run, context)
    return run_stage_alone(name, config, run, context)


def _judge_devices_alone(name: str, config: AuditConfig, run: Run, context: Context) -> None:
    """Judge or report every device of a finished run by itself: its own report tells the verdict of this policy too."""
    from harness.audit.replicas import is_replicated

    if is_replicated(config, run):
        from harness.audit.of_devices import runs_of_devices

        for _, own in runs_of_devices(run):
            run_stage_alone(name, own.config, own, context)


def run_stage_alone(name: str, config: AuditConfig, run: Run, context: Context) -> dict[str, Any]:
    """The same in one run folder alone."""
    order = stages_of(config)
    for later in order[order.index(name) :]:
        run.forget(later)  # what was built on this stage's last result has to look again
    return perform(name, STAGES[name].load(), config, run, context)


def perform(name: str, stage: StageFunction, config: AuditConfig, run: Run, context: Context) -> dict[str, Any]:
    """Do a stage, keep what it found as `results/<name>.json`, and mark it as whole, in this order."""
    began = time.perf_counter()
    result = stage(config, run, context)
    run.write_json(f"results/{name}.json", result)
    run.finish(name, time.perf_counter() - began)
    return result


def audit_all(config: AuditConfig, run: Run, context: Context) -> tuple[dict[str, Any], Verdict]:
    """Do every stage that is not done yet, in order.

    Returns:
        The report's JSON and the verdict.

    Raises:
        RunError: a supplied file is not the one that the run was begun with.
    """
    if config.device.replicates and config.kind != "answers":
        from harness.audit.replicate import audit_devices

        result = audit_devices(config, run, context)
        return result, Verdict.from_json(result["gate"])
    require_same_inputs(config, run)  # what is done is about the files that it was done with
    order = stages_of(config)
    if any(stage in ON_DEVICE and not run.is_done(stage) for stage in order):
        context.device.info()  # a device that is not there is better known before an hour of training
    result = {}
    for name in order:
        if name in ALWAYS or not run.is_done(name):
            result = run_stage(name, config, run, context)
    return result, Verdict.from_json(result["gate"])


def _described(config: AuditConfig) -> str:
    return {"trained": "a trained model", "supplied": "supplied files", "answers": "answers"}[config.kind]
