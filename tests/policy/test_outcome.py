"""A verdict as JSON comes back as it was, and one that was damaged never passes."""

from __future__ import annotations

import json
from typing import Any

import pytest

import harness.policy
from harness.config import GateConfig, GateRule
from harness.policy import ArtifactName, RuleOutcome, Verdict, exit_code, judge
from harness.types import View
from tests.policy.sample import artifact, estimate, findings, result

POLICY = GateConfig(rules=(GateRule(max=0.6), GateRule(metric="tpr_at_fpr", at_fpr=0.01, max=0.1)), max_flip_share=0.01)


def verdict(value: float) -> Verdict:
    tpr = {"0.01": estimate(0.05, 0.01, fpr=0.01, false_positives=8, threshold=0.7, at_threshold=[0.03, 0.07])}
    found = findings(result(value, tpr_at_fpr=tpr, simultaneous={"auc": estimate(value, 0.03), "tpr_at_fpr": tpr}))
    return judge(found, [artifact(0)], POLICY)


@pytest.mark.parametrize(("value", "code"), [(0.5, 0), (0.9, 1), (0.6, 2)])
def test_json_comes_back_as_it_was(value: float, code: int) -> None:
    written = verdict(value)
    read = Verdict.from_json(json.loads(json.dumps(written.to_json(), allow_nan=False)))
    assert read == written
    assert exit_code(read) == code
    assert [type(rule.worst) for rule in read.rules] == [View, View, ArtifactName]


def test_an_outcome_carries_its_rule_id_in_json() -> None:
    ids = ["auc-max-0.6", "tpr-at-fpr-0.01-max-0.1", "parity-0.01"]
    assert [rule["id"] for rule in json.loads(json.dumps(verdict(0.5).to_json()))["rules"]] == ids


@pytest.mark.parametrize(
    "damage",
    [
        {"outcome": "fail"},
        {"outcome": None},
        {"outcome": "PASS"},
        {"rules": []},
        {"rules": None},
        {"rules": [{"outcome": "passed"}]},
        {"rules": [{}, {"outcome": "pass"}]},
    ],
)
def test_a_damaged_verdict_never_passes(damage: dict[str, Any]) -> None:
    read = Verdict.from_json(verdict(0.5).to_json() | damage)
    assert read.outcome == "inconclusive"
    assert exit_code(read) == 2


def test_a_verdict_is_the_worst_of_its_rules() -> None:
    passed, failed, open_ = (
        RuleOutcome(id=outcome, name="x", outcome=outcome, reason="") for outcome in ("pass", "fail", "inconclusive")
    )
    assert Verdict((passed, open_, failed)).outcome == "fail"
    assert Verdict((passed, open_)).outcome == "inconclusive"
    assert Verdict((passed,)).outcome == "pass"
    assert Verdict(()).outcome == "inconclusive"


def test_the_face_of_the_policy() -> None:
    assert harness.policy.__all__ == [
        "Answerable",
        "ArtifactName",
        "Baseline",
        "Case",
        "Found",
        "Outcome",
        "RuleOutcome",
        "Severity",
        "Verdict",
        "Waiver",
        "check",
        "check_names",
        "exit_code",
        "fitted",
        "for_device",
        "judge",
        "judge_null",
        "judge_pooled",
    ]
