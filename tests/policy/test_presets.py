"""Presets fit every kind of audit: what one does not measure is left out, and said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from harness.config import PRESETS, GateConfig, GateRule, Preset
from harness.errors import ConfigError
from harness.policy import check, fitted, judge
from tests.policy.sample import AUDIT, estimate, findings, result

ANSWERS = replace(AUDIT, variants=("int8",), controls=(), has_reference=False, attacks={"rmia": "NR"})


@pytest.mark.parametrize("name", get_args(Preset))
def test_a_preset_can_be_answered_by_every_kind_of_audit(name: Preset) -> None:
    policy = GateConfig(preset=name)
    assert policy.rules == PRESETS[name]
    assert fitted(policy, AUDIT) == (policy, ())
    check(policy, AUDIT)
    check(policy, ANSWERS)
    kept, notes = fitted(policy, ANSWERS)
    assert [rule.kind for rule in kept.rules] == ["max", "max"]
    assert len(notes) == len(policy.rules) - 2
    assert "of the preset was left out: max_increase: compares with 'original'" in notes[0]


def test_a_rule_of_the_file_is_never_left_out() -> None:
    policy = GateConfig(preset="standard", rules=(GateRule(id="mine", max_increase=0.1),))
    with pytest.raises(ConfigError, match="gate rule 'mine': max_increase: compares with 'original'"):
        check(policy, ANSWERS)
    same_id = GateConfig(preset="standard", rules=(GateRule(id="standard-increase", max_increase=0.1),))
    with pytest.raises(ConfigError, match="gate rule 'standard-increase'"):
        check(same_id, ANSWERS)


def test_an_audit_that_answers_no_rule_of_a_preset_is_refused() -> None:
    with pytest.raises(ConfigError, match="no rule is left to judge"):
        check(GateConfig(preset="standard"), replace(ANSWERS, attacks={}))


def test_a_report_alone_decides_nothing_whatever_leaks() -> None:
    verdict = judge(findings(result(0.99)), [], GateConfig(preset="report-only"))
    assert verdict.outcome == "pass"
    assert verdict.decides_nothing
    assert verdict.warnings[0].outcome == "fail"


def test_a_stricter_preset_never_passes_what_a_laxer_one_does_not() -> None:
    strict, standard = (
        {(rule.kind, rule.metric): rule for rule in PRESETS[name]} for name in get_args(Preset) if name != "report-only"
    )
    assert strict.keys() == standard.keys()
    assert all(strict[key].limit < standard[key].limit for key in strict)
    tpr = {"0.01": estimate(0.02, 0.01)}
    wide: dict[str, Any] = {"auc": estimate(0.52, 0.06), "tpr_at_fpr": tpr, "n_members": 600, "n_nonmembers": 600}
    found = findings(result(0.52, simultaneous={"tpr_at_fpr": tpr}, **wide))
    outcomes = {name: judge(found, [], GateConfig(preset=name)).rules[0].outcome for name in ("strict", "standard")}
    assert outcomes == {"strict": "fail", "standard": "pass"}
    few = findings(result(0.52, **(wide | {"n_members": 100})))
    assert judge(few, [], GateConfig(preset="strict")).rules[0].outcome == "inconclusive"
