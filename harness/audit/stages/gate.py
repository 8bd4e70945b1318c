"""Stage `gate`: what was found, held against the policy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness import policy
from harness.audit.context import Context
from harness.audit.findings import attack_findings
from harness.audit.judged import answerable, device_of, found, with_baseline
from harness.audit.of_devices import with_lost
from harness.audit.replicas import is_replicated, read_findings
from harness.config import AuditConfig
from harness.store import Run

__all__ = ["judge"]


def judge(config: AuditConfig, run: Run, _context: Context) -> dict[str, Any]:
    """Hold the results against the policy; a null twin is judged by its calibration instead.

    Returns:
        The verdict.

    Raises:
        ConfigError: a rule names what the run does not have.
    """
    if is_replicated(config, run):
        return with_lost(_of_devices(config, run), read_findings(run)).to_json()
    run.require("attack")
    if config.null:
        return policy.judge_null(attack_findings(run).null).to_json()
    return _judged(config, run).to_json()


def _judged(config: AuditConfig, run: Run) -> policy.Verdict:
    """What was found, held against those rules of the policy that it can answer."""
    results = found(config, run)
    audit = answerable(config, run, results)
    policy.check_names(config.gate, audit)
    rules, notes = policy.fitted(config.gate, audit)
    device = device_of(config, run)
    if device:  # its results do not name it
        rules = policy.for_device(rules, device, alone=True)
    verdict = policy.judge(
        results.attacks,
        results.artifacts,
        rules,
        slices=results.slices,
        mis=results.mis,
        baseline=with_baseline(rules, config, run, results),
    )
    return replace(verdict, notes=(*verdict.notes, *notes))


def _of_devices(config: AuditConfig, run: Run) -> policy.Verdict:
    """What all devices found, held against the rules."""
    if not config.null:
        return _judged(config, run)
    outcomes = [
        replace(rule, id=f"{rule.id}-{number}", name=f"{device.name}: {rule.name}")
        for number, device in enumerate(read_findings(run).finished)
        for rule in policy.judge_null(device.null).rules
    ]
    return policy.Verdict(tuple(outcomes))
