"""Stage `gate`: what was found, held against the policy."""

from __future__ import annotations

from typing import Any

from harness import policy
from harness.audit.context import Context
from harness.audit.findings import artifact_results, attack_findings
from harness.config import AuditConfig
from harness.store import Run

__all__ = ["judge"]


def judge(config: AuditConfig, run: Run, _context: Context) -> dict[str, Any]:
    """Hold the results against the policy; a null twin is judged by its calibration instead.

    Returns:
        The verdict.
    """
    run.require("attack")
    findings = attack_findings(run)
    if config.null:
        return policy.judge_null(findings.null).to_json()
    return policy.judge(findings, artifact_results(run), config.gate).to_json()
