"""Stage `gate`: what was found, held against the policy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness import fields, policy
from harness.audit.context import Context
from harness.audit.findings import artifact_results, attack_findings
from harness.audit.of_devices import artifacts_of_devices, attacks_of_devices, with_lost
from harness.audit.replicas import is_replicated, read_findings
from harness.config import AuditConfig, GateConfig
from harness.store import Run

__all__ = ["judge"]


def judge(config: AuditConfig, run: Run, _context: Context) -> dict[str, Any]:
    """Hold the results against the policy; a null twin is judged by its calibration instead.

    Returns:
        The verdict.
    """
    if is_replicated(config, run):
        return _judge_devices(config, run).to_json()
    run.require("attack")
    findings = attack_findings(run)
    if config.null:
        return policy.judge_null(findings.null).to_json()
    return policy.judge(findings, artifact_results(run), _rules(config, run)).to_json()


def _rules(config: AuditConfig, run: Run) -> GateConfig:
    """The rules as the results of one device answer them, which do not name it."""
    if config.kind == "answers" or not run.is_done("collect"):
        return config.gate
    device = fields.text(fields.mapping(run.read_json("results/collect.json"), "device"), "url")
    return policy.for_device(config.gate, device, alone=True)


def _judge_devices(config: AuditConfig, run: Run) -> policy.Verdict:
    """What all devices found, held against the rules; a device that did not finish is no pass."""
    devices = read_findings(run)
    if config.null:
        outcomes = [
            replace(rule, id=f"{rule.id}-{number}", name=f"{device.name}: {rule.name}")
            for number, device in enumerate(devices.finished)
            for rule in policy.judge_null(device.null).rules
        ]
        return with_lost(policy.Verdict(tuple(outcomes)), devices)
    return with_lost(policy.judge(attacks_of_devices(run), artifacts_of_devices(run), config.gate), devices)
