"""The gate: passing takes every upper bound, failing takes a corrected lower bound, the rest is inconclusive."""

from __future__ import annotations

from typing import Any

import pytest

from harness.config import GateConfig, GateRule
from harness.policy import exit_code, judge, judge_null

AUC = GateConfig(rules=(GateRule(max=0.6),))


def estimate(value: float, half: float, **more: Any) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "n": 800, "resolvable": True, **more}


def row(value: float, half: float = 0.02, wide: float = 0.04, **more: Any) -> dict[str, Any]:
    return {
        "adversary": "NR",
        "attack": "confidence",
        "variants": ["int8"],
        "runtime": "litert",
        "auc": estimate(value, half),
        "simultaneous": {"auc": estimate(value, wide)},
        **more,
    }


@pytest.mark.parametrize(
    ("value", "outcome", "code"),
    [
        (0.57, "pass", 0),
        (0.59, "inconclusive", 2),  # the upper bound reaches beyond the limit
        (0.63, "inconclusive", 2),  # the 95% lower bound is above it, the corrected one is not
        (0.65, "fail", 1),
    ],
)
def test_three_outcomes(value: float, outcome: str, code: int) -> None:
    verdict = judge([row(0.5), row(value)], [], AUC)
    assert verdict.outcome == outcome
    assert exit_code(verdict) == code
    assert verdict.rules[0].worst is not None


def test_control_is_not_judged() -> None:
    assert judge([row(0.5), row(0.9, is_control=True)], [], AUC).outcome == "pass"


def test_no_rules_pass_nothing() -> None:
    assert judge([row(0.5)], [], GateConfig()).outcome == "inconclusive"


def test_rule_without_results_is_inconclusive() -> None:
    assert judge([row(0.5)], [], GateConfig(rules=(GateRule(max=0.6, adversary=("MR",)),))).outcome == "inconclusive"


def test_unresolvable_says_how_many_records_it_needs() -> None:
    rule = GateRule(metric="tpr_at_fpr", at_fpr=0.01, max=0.05)
    tpr = {"0.01": estimate(0.01, 0.0, resolvable=False, needed_n=1000)}
    verdict = judge([row(0.5, tpr_at_fpr=tpr)], [], GateConfig(rules=(rule,)))
    assert verdict.outcome == "inconclusive"
    assert "needs n >= 1000" in verdict.rules[0].reason


def test_unresolvable_never_hides_a_failure() -> None:
    rule = GateRule(metric="tpr_at_fpr", at_fpr=0.01, max=0.05)
    blind = row(0.5, tpr_at_fpr={"0.01": estimate(0.01, 0.0, resolvable=False, needed_n=1000)})
    high = {"0.01": estimate(0.3, 0.1)}
    leaky = row(0.5, tpr_at_fpr=high, simultaneous={"tpr_at_fpr": high})
    assert judge([blind, leaky], [], GateConfig(rules=(rule,))).outcome == "fail"


def test_metric_without_corrected_interval_never_fails() -> None:
    assert judge([row(0.9, simultaneous={})], [], AUC).outcome == "inconclusive"


def test_increase_over_the_original() -> None:
    policy = GateConfig(rules=(GateRule(max_increase=0.02),))
    up = estimate(0.06, 0.03)
    assert judge([row(0.6, versus_original=up, simultaneous={"versus_original": up})], [], policy).outcome == "fail"
    same = estimate(0.0, 0.01)
    assert judge([row(0.6, versus_original=same, simultaneous={"versus_original": same})], [], policy).outcome == "pass"


def test_broken_parity_is_inconclusive() -> None:
    policy = GateConfig(max_flip_share=0.01)
    parity = {"max_abs_difference": 1.0, "flips": 80, "n": 800}
    verdict = judge([], [{"variant": "int8", "runtime": "litert", "parity": parity}], policy)
    assert verdict.outcome == "inconclusive"
    assert "flips 10.0% of 800" in verdict.rules[0].reason


@pytest.mark.parametrize(("p", "q", "outcome"), [(0.4, 0.3, "pass"), (0.001, 0.3, "fail"), (0.5, 0.001, "fail")])
def test_null_twin(p: float, q: float, outcome: str) -> None:
    calibration = {"attacks": 80, "miss_share": 0.04, "null_quantile": 0.2, "p_value": p, "max_z_p_value": q}
    assert judge_null(calibration).outcome == outcome
