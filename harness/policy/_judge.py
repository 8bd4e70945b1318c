"""The gate: what an audit found x the policy -> one verdict that drives text, files and the exit code."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.config import GateConfig, GateRule
from harness.policy._outcome import RuleOutcome, Verdict
from harness.policy.rules import RULES
from harness.results import ArtifactResult, AttackFindings

__all__ = ["judge"]


def judge(findings: AttackFindings, artifacts: Sequence[ArtifactResult], policy: GateConfig) -> Verdict:
    """Hold what an audit found against a policy.

    Args:
        findings: what attacks found; results of controls are not judged, they are not shipped.
        artifacts: what was found of each artifact, for parity.
        policy: the rules.

    Returns:
        The verdict; without rules it is `inconclusive`: a gate that asks nothing passes nothing.
    """
    if not policy.rules:
        reason = "the configuration has no gate rules, so nothing was decided"
        return Verdict((RuleOutcome(id="policy", name="policy", outcome="inconclusive", reason=reason),))
    return Verdict(tuple(_judge_rule(rule, findings, artifacts) for rule in policy.rules))


def _judge_rule(rule: GateRule, findings: AttackFindings, artifacts: Sequence[ArtifactResult]) -> RuleOutcome:
    if not math.isfinite(rule.limit):  # a configuration's limits are finite; one that was made otherwise may not be
        reason = f"the limit {rule.limit} is no finite number"
        return RuleOutcome(id=rule.id, name=rule.name, outcome="inconclusive", reason=reason)
    return RULES[rule.kind].judge(rule, findings, artifacts)
