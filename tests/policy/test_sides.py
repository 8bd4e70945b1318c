"""Which side of the interval decides, how many records a rule asks for, what a warning does, and what a case says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.config import GateConfig, GateRule
from harness.policy import Verdict, exit_code, judge
from harness.results import Result
from harness.types import View
from tests.policy.sample import artifact, estimate, findings, result
from tests.policy.test_properties import ANY, results


def judged(*found: Result, **keys: Any) -> Verdict:
    return judge(findings(*found), [artifact(0)], GateConfig(rules=(GateRule(id="r", **keys),)))


@pytest.mark.parametrize(
    ("value", "surely", "possibly"),
    [
        (0.57, "pass", "pass"),
        (0.59, "inconclusive", "fail"),  # the upper bound is above the limit
        (0.63, "inconclusive", "fail"),  # and the 95% lower bound too
        (0.65, "fail", "fail"),  # and the corrected one
    ],
)
def test_which_side_of_the_interval_fails_a_rule(value: float, surely: str, possibly: str) -> None:
    assert judged(result(value), max=0.6, fails_when="surely_above").outcome == surely
    assert judged(result(value), max=0.6, fails_when="possibly_above").outcome == possibly


def test_what_has_no_upper_bound_is_open_on_either_side() -> None:
    for auc in (None, estimate(0.5, 0.02) | {"high": None}, estimate(0.9, 0.02, resolvable=False, needed_n=5000)):
        verdict = judged(result(0.5, auc=auc, simultaneous={}), max=0.6, fails_when="possibly_above")
        assert verdict.outcome == "inconclusive"


def test_the_strict_side_says_how_many_and_how_far() -> None:
    verdict = judged(result(0.5), result(0.59), result(0.595, attack="rmia"), max=0.6, fails_when="possibly_above")
    assert verdict.rules[0].reason == (
        "2 of 3 results reach beyond 0.6, widest NR rmia on int8 (litert) with 0.595 [0.575, 0.615] (n = 800)"
    )


@pytest.mark.parametrize("value", [0.5, 0.9])
def test_fewer_records_than_the_rule_asks_for_decide_nothing(value: float) -> None:
    few = result(value, n_members=100, n_nonmembers=40)
    for side in ("surely_above", "possibly_above"):
        verdict = judged(few, max=0.6, min_n=50, fails_when=side)
        assert verdict.outcome == "inconclusive"
        assert "has 100 members and 40 non-members, and the rule asks for 50 of each (min_n)" in verdict.rules[0].reason
    assert judged(few, max=0.6, min_n=40).outcome == ("pass" if value == 0.5 else "fail")


def test_few_records_hide_no_failure_of_another_result() -> None:
    few, many = (result(0.9, n_members=n, n_nonmembers=n, attack=name) for n, name in ((10, "rmia"), (400, "lira")))
    assert judged(few, many, max=0.6, min_n=50).outcome == "fail"


def test_an_increase_has_the_records_of_its_view() -> None:
    low = estimate(0.0, 0.01)
    view = result(0.5, versus_original=low, simultaneous={"versus_original": low}, n_members=30, n_nonmembers=30)
    assert judged(view, max_increase=0.1, min_n=30).outcome == "pass"
    assert judged(view, max_increase=0.1, min_n=31).outcome == "inconclusive"


def test_parity_has_the_records_that_were_compared() -> None:
    assert judged(max_flip_share=0.1, min_n=800).outcome == "pass"
    verdict = judged(max_flip_share=0.1, min_n=801)
    assert verdict.outcome == "inconclusive"
    assert "was compared on 800 records, and the rule asks for 801" in verdict.rules[0].reason


def test_a_warning_is_said_and_fails_nothing() -> None:
    verdict = judged(result(0.9), max=0.6, severity="warn")
    assert exit_code(verdict) == 0
    assert [rule.outcome for rule in verdict.warnings] == ["fail"]
    assert verdict.decides_nothing


def test_every_result_is_a_case_and_only_those_that_do_not_hold_have_a_reason() -> None:
    verdict = judged(result(0.5), result(0.9, attack="rmia"), result(0.9, is_control=True), max=0.6)
    (rule,) = verdict.rules
    assert (rule.quantity, rule.limit, rule.severity) == ("auc", 0.6, "fail")
    assert [(case.about, case.outcome, bool(case.reason)) for case in rule.cases] == [
        (View("NR", "confidence", ("int8",), "litert"), "pass", False),
        (View("NR", "rmia", ("int8",), "litert"), "fail", True),
    ]
    assert [case.estimate and case.estimate.value for case in rule.cases] == [0.5, 0.9]


def test_a_case_of_an_increase_names_the_attack_that_it_is_compared_with() -> None:
    low = estimate(0.0, 0.01)
    verdict = judged(result(0.5, versus_original=low, simultaneous={"versus_original": low}), max_increase=0.1)
    assert [case.against for case in verdict.rules[0].cases] == ["rmia"]


def test_a_case_of_parity_is_about_an_artifact_and_has_its_share() -> None:
    (case,) = judged(max_flip_share=0.1).rules[0].cases
    assert (str(case.about), case.outcome, case.estimate and case.estimate.value) == ("int8 on litert", "pass", 0.0)


def test_a_rule_of_one_runtime_judges_what_ran_there() -> None:
    found = (result(0.5), result(0.9, runtime="onnx"))
    assert judged(*found, max=0.6, runtime="litert").outcome == "pass"
    assert judged(*found, max=0.6, runtime=("litert", "onnx")).outcome == "fail"
    assert judged(*found[:1], max=0.6, runtime=("litert", "onnx")).outcome == "inconclusive"
    assert judged(max_flip_share=0.1, runtime="litert").outcome == "pass"
    assert judged(max_flip_share=0.1, runtime=("litert", "onnx")).outcome == "inconclusive"


ORDER = {"fail": 0, "inconclusive": 1, "pass": 2}


@settings(deadline=None, max_examples=80)
@given(
    found=st.lists(results(ANY, control=False), min_size=1, max_size=4),
    limits=st.lists(st.sampled_from([0.5, 0.55, 0.6, 0.7, 0.9, 0.99]), min_size=2, max_size=2).map(sorted),
    side=st.sampled_from(["surely_above", "possibly_above"]),
)
def test_a_higher_limit_never_makes_a_verdict_worse(found: list[Result], limits: list[float], side: str) -> None:
    low, high = (judged(*found, max=limit, fails_when=side).outcome for limit in limits)
    assert ORDER[low] <= ORDER[high]


@settings(deadline=None, max_examples=80)
@given(found=st.lists(results(ANY, control=False), max_size=4))
def test_the_strict_side_never_passes_more_and_never_fails_less(found: list[Result]) -> None:
    surely, possibly = (judged(*found, max=0.6, fails_when=side).outcome for side in ("surely_above", "possibly_above"))
    assert (surely == "pass") == (possibly == "pass")
    if surely == "fail":
        assert possibly == "fail"
