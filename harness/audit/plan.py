"""The audit: load, train, compress, export, deploy, collect, time, attack, estimate, gate, report.

Each stage is a function of (configuration, run, context). It returns what it found, which is kept as
`results/<stage>.json`; its mark in `stages/` is written last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from harness.attacks import attack_class
from harness.audit.context import Context
from harness.audit.stages.attack import attack
from harness.audit.stages.bench import bench
from harness.audit.stages.collect import collect
from harness.audit.stages.estimate_mis import estimate_mis
from harness.audit.stages.export import check_jobs, export
from harness.audit.stages.report import judge, report
from harness.audit.stages.train import train
from harness.config import AuditConfig
from harness.devices import check_url
from harness.policy import Verdict
from harness.store import Run
from harness.subject.trained import TrainedSubject

__all__ = ["STAGES", "Context", "Stage", "audit_all", "check", "perform", "run_stage"]

Stage = Callable[[AuditConfig, Run, Context], dict[str, object]]

# Name -> (function, what it does), in the order of an audit.
STAGES: Mapping[str, tuple[Stage, str]] = {
    "train": (train, "Train the target and its shadow models, and compress them."),
    "export": (export, "Export every variant of every model for every runtime."),
    "collect": (collect, "Deploy the artifacts and collect their confidence vectors through the agent."),
    "bench": (bench, "Measure the artifacts' latency on the device."),
    "attack": (attack, "Run the NR, SR and MR attacks on what was collected."),
    "mis": (estimate_mis, "Estimate the MIS indicator of the quantizers on the device."),
    "gate": (judge, "Hold the results against the policy; the exit code is the verdict."),
    "report": (report, "Write report.json and report.html."),
}
# These read results only and cost little: an audit always makes them anew, so that a changed policy takes effect.
ALWAYS = frozenset({"gate", "report"})


def check(config: AuditConfig) -> None:
    """Raise for whatever can be known to be wrong before anything is begun.

    Raises:
        ConfigError: data set, model, variant, quantizer or attack is not known, or there are too few records.
        InputError: a file of the data set is missing or malformed.
        UsageError: the device's address has no known form, or an attack is not known.
    """
    check_url(config.device.url)
    check_jobs(config)
    for name in config.attack.names or ():
        attack_class(name)
    TrainedSubject.load(config).check_model()


def run_stage(name: str, config: AuditConfig, run: Run, context: Context) -> dict[str, Any]:
    """Do one stage: what it made before is kept, what is missing is made.

    Args:
        name: a key of `STAGES`.
        config: the audit.
        run: its open folder.
        context: device and progress.

    Returns:
        What the stage found.

    Raises:
        EdgeleakError: the stage could not be done; what it finished is kept.
    """
    order = list(STAGES)
    for later in order[order.index(name) :]:
        run.forget(later)  # what was built on this stage's last result has to look again
    return perform(name, STAGES[name][0], config, run, context)


def perform(name: str, stage: Stage, config: AuditConfig, run: Run, context: Context) -> dict[str, Any]:
    """Do a stage, keep what it found as `results/<name>.json`, and mark it as whole, in this order."""
    began = time.perf_counter()
    found = stage(config, run, context)
    run.write_json(f"results/{name}.json", found)
    run.finish(name, time.perf_counter() - began)
    return found


def audit_all(config: AuditConfig, run: Run, context: Context) -> tuple[dict[str, Any], Verdict]:
    """Do every stage that is not done yet, in order.

    Returns:
        The report and the verdict.
    """
    if not all(run.is_done(stage) for stage in STAGES if stage not in ALWAYS):
        context.device.info()  # a device that is not there is better known before an hour of training
    found: dict[str, Any] = {}
    for name in STAGES:
        if name in ALWAYS or not run.is_done(name):
            found = run_stage(name, config, run, context)
    return found, Verdict.from_json(found["gate"])
