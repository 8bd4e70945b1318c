"""The gate: what an audit found x the policy -> one verdict that drives text, files and the exit code."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from harness.config import GateConfig, GateRule
from harness.policy._found import Baseline, Found
from harness.policy._outcome import RuleOutcome, Verdict
from harness.policy._waivers import Waivers, with_waivers
from harness.policy.rules import kind_of
from harness.results import ArtifactResult, AttackFindings, MisFindings, SliceFindings

__all__ = ["judge"]


def judge(
    findings: AttackFindings,
    artifacts: Sequence[ArtifactResult],
    policy: GateConfig,
    *,
    slices: Mapping[str, SliceFindings] | None = None,
    mis: Mapping[str, MisFindings] | None = None,
    baseline: Baseline | None = None,
    today: date | None = None,
) -> Verdict:
    """Hold what an audit found against a policy.

    Args:
        findings: what attacks found; results of controls are not judged, they are not shipped.
        artifacts: what was found of each artifact, for parity.
        policy: the rules and waivers.
        slices: device -> what was measured of parts of the records; the device is empty where results name none.
        mis: device -> what the MIS indicator says of quantizers.
        baseline: the increases over an earlier audit, where the policy names one.
        today: the day on which waivers count or are over; None takes this day, UTC.

    Returns:
        The verdict; without rules it is `inconclusive`: a gate that asks nothing passes nothing.
    """
    if not policy.rules:
        reason = "the configuration has no gate rules, so nothing was decided"
        return Verdict((RuleOutcome(id="policy", name="policy", outcome="inconclusive", reason=reason),))
    found = Found(attacks=findings, artifacts=artifacts, slices=slices or {}, mis=mis or {}, baseline=baseline)
    waivers = Waivers(policy.waiver, today or datetime.now(tz=UTC).date())
    outcomes = tuple(_placed(_judge_rule(rule, found, waivers), policy) for rule in policy.rules)
    against = "" if baseline is None else f"{baseline.name}: {baseline.how}"
    return Verdict(outcomes, described(policy), against, tuple(waivers.notes()))


def described(policy: GateConfig) -> str:
    """What the rules are, as the words for it: a preset's name and how many rules beside, and their file."""
    own = len(policy.rules)
    words = f"{own} rule{'' if own == 1 else 's'}"
    if policy.preset is not None:
        words = f"preset {policy.preset}, {words}"
    file = policy.place().file
    return f"{words} of {file}" if file else words


def _judge_rule(rule: GateRule, found: Found, waivers: Waivers) -> RuleOutcome:
    kind = kind_of(rule)
    if not math.isfinite(rule.limit):  # a configuration's limits are finite; one that was made otherwise may not be
        reason = f"the limit {rule.limit} is no finite number"
        return kind.filled(rule, RuleOutcome(id=rule.id, name=rule.name, outcome="inconclusive", reason=reason), ())
    return with_waivers(kind.judge(rule, found, waivers.of(rule)))


def _placed(outcome: RuleOutcome, policy: GateConfig) -> RuleOutcome:
    place = policy.place(outcome.id)
    return replace(outcome, file=place.file, line=place.line)
