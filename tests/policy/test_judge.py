"""The gate: passing takes every upper bound, failing takes a corrected lower bound, the rest is inconclusive."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest

from harness.config import GateConfig, GateRule, RuleKind
from harness.policy import ArtifactName, exit_code, judge
from harness.policy.rules import RULES
from harness.results import AttackFindings, Parity, Result, Skipped
from harness.types import View
from tests.policy.sample import artifact, estimate, findings, result

AUC = GateConfig(rules=(GateRule(max=0.6),))
TPR = GateConfig(rules=(GateRule(metric="tpr_at_fpr", at_fpr=0.01, max=0.05),))
PARITY = GateConfig(max_flip_share=0.01)


def only(variants: list[str], **more: Any) -> GateConfig:
    return GateConfig(rules=(GateRule(max=0.6, variants=tuple(variants), **more),))


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
    verdict = judge(findings(result(0.5), result(value)), [], AUC)
    assert verdict.outcome == outcome
    assert exit_code(verdict) == code
    assert verdict.rules[0].worst == View("NR", "confidence", ("int8",), "litert")
    assert verdict.rules[0].estimate is not None
    assert verdict.rules[0].estimate.value == value


def test_every_kind_of_the_configuration_has_a_rule() -> None:
    assert tuple(RULES) == get_args(RuleKind)


def test_every_outcome_has_the_id_of_its_rule() -> None:
    rules = (
        GateRule(max=0.6),
        GateRule(max_increase=0.1),
        GateRule(id="tpr", metric="tpr_at_fpr", at_fpr=0.1, max=0.2),
    )
    for found in (findings(), findings(result(0.5)), findings(result(0.9))):
        verdict = judge(found, [], GateConfig(rules=rules, max_flip_share=0.05))
        assert [rule.id for rule in verdict.rules] == ["auc-max-0.6", "auc-increase-0.1", "tpr", "parity-0.05"]
        assert [rule.name for rule in verdict.rules[:2]] == ["NR/SR/MR auc <= 0.6", "NR/SR/MR auc <= original + 0.1"]


def test_control_is_not_judged() -> None:
    assert judge(findings(result(0.5), result(0.9, is_control=True)), [], AUC).outcome == "pass"


def test_no_rules_pass_nothing() -> None:
    assert judge(findings(result(0.5)), [], GateConfig()).outcome == "inconclusive"


def test_rule_without_results_is_inconclusive() -> None:
    policy = GateConfig(rules=(GateRule(max=0.6, adversary=("MR",)),))
    assert judge(findings(result(0.5)), [], policy).outcome == "inconclusive"
    assert judge(findings(), [], AUC).outcome == "inconclusive"


def test_unresolvable_says_how_many_records_it_needs() -> None:
    tpr = {"0.01": estimate(0.01, 0.0, resolvable=False, needed_n=1000)}
    verdict = judge(findings(result(0.5, tpr_at_fpr=tpr)), [], TPR)
    assert verdict.outcome == "inconclusive"
    assert "needs n >= 1000" in verdict.rules[0].reason


def test_unresolvable_never_hides_a_failure() -> None:
    blind = result(0.5, tpr_at_fpr={"0.01": estimate(0.01, 0.0, resolvable=False, needed_n=1000)})
    high = {"0.01": estimate(0.3, 0.1)}
    leaky = result(0.5, tpr_at_fpr=high, simultaneous={"tpr_at_fpr": high})
    assert judge(findings(blind, leaky), [], TPR).outcome == "fail"


def test_a_missing_figure_never_hides_a_failure() -> None:
    verdict = judge(findings(result(0.5, auc=None), result(0.65)), [], AUC)
    assert verdict.outcome == "fail"


def test_metric_without_corrected_interval_never_fails() -> None:
    assert judge(findings(result(0.9, simultaneous={})), [], AUC).outcome == "inconclusive"
    assert judge(findings(result(0.9, simultaneous={"auc": {"value": None}})), [], AUC).outcome == "inconclusive"
    unresolved = {"auc": estimate(0.9, 0.01, resolvable=False)}
    assert judge(findings(result(0.9, simultaneous=unresolved)), [], AUC).outcome == "inconclusive"


@pytest.mark.parametrize("auc", [None, {}, {"value": None}, {"low": 0.4, "high": 0.5}, "0.5"])
def test_a_result_without_the_metric_is_named_and_never_passes(auc: object) -> None:
    lacking = result(0.5, auc=auc, attack="rmia")
    verdict = judge(findings(result(0.5), lacking), [], AUC)
    assert verdict.outcome == "inconclusive"
    assert verdict.rules[0].reason == "1 of 2 results have no auc: NR rmia on int8 (litert)"
    assert verdict.rules[0].worst == lacking.view


@pytest.mark.parametrize("ends", [{"low": None}, {"high": None}, {"low": None, "high": None}])
def test_a_missing_bound_never_passes(ends: dict[str, None]) -> None:
    verdict = judge(findings(result(0.5, auc=estimate(0.5, 0.02) | ends)), [], AUC)
    assert verdict.outcome == "inconclusive"
    assert "an upper bound is not known: NR confidence on int8 (litert)" in verdict.rules[0].reason


def test_an_upper_bound_below_its_own_value_never_passes() -> None:
    assert judge(findings(result(0.5, auc={"value": 0.9, "low": 0.4, "high": 0.5})), [], AUC).outcome == "inconclusive"


def test_a_lower_bound_of_epsilon_fails_and_never_passes() -> None:
    policy = GateConfig(rules=(GateRule(metric="epsilon_lower", max=1.0),))
    for value, outcome in ((0.2, "inconclusive"), (1.5, "fail")):
        bound = {"value": value, "low": value, "high": None, "n": 800}
        found = findings(result(0.5, epsilon_lower=bound, simultaneous={"epsilon_lower": bound}))
        assert judge(found, [], policy).outcome == outcome


@pytest.mark.parametrize("limit", [math.inf, math.nan])
@pytest.mark.parametrize("kind", ["max", "max_increase", "max_flip_share"])
def test_a_limit_that_is_no_number_never_passes(kind: str, limit: float) -> None:
    keys: dict[str, Any] = {"id": "x", "kind": kind, kind: limit}
    rule = GateRule.model_construct(**keys)
    low = estimate(0.5, 0.01)
    found = findings(result(0.5, versus_original=low, simultaneous={"auc": low, "versus_original": low}))
    verdict = judge(found, [artifact(0)], GateConfig.model_construct(rules=(rule,)))
    assert verdict.outcome == "inconclusive"


def test_the_failing_sentence_has_the_bound_that_is_corrected_for_all_figures() -> None:
    corrected = {"auc": estimate(0.65, 0.04, level=1 - 0.05 / 40)}
    verdict = judge(findings(result(0.5), result(0.65, simultaneous=corrected)), [], AUC)
    assert verdict.rules[0].reason == (
        "NR confidence on int8 (litert) has 0.650 [0.630, 0.670]; its bound, corrected for all figures of the audit, "
        "is 0.610 > 0.6 (n = 800)"
    )


def test_ties_that_hide_a_rate_are_no_pass_and_are_named_with_their_size() -> None:
    tied = {"0.01": estimate(0.0, 0.0) | {"resolvable": False, "fpr": 0.01, "tied": 0.75, "value": None, "high": 0.9}}
    verdict = judge(findings(result(0.5, tpr_at_fpr=tied)), [], TPR)
    assert verdict.outcome == "inconclusive"
    assert "75.0% of the non-members have one and the same score there" in verdict.rules[0].reason


@pytest.mark.parametrize(
    ("named", "seen", "is_judged"),
    [
        (["int8"], ["int8"], True),
        (["int8"], ["original", "int8"], True),
        (["int8"], ["original"], False),
        (["int8"], ["original", "int8", "prune-0.6"], False),
        (["int8"], ["prune-0.6"], False),
        (["int8", "prune-0.6"], ["original", "int8", "prune-0.6"], True),
        (["original"], ["original"], True),
        (["original"], ["original", "int8"], False),
        (["original", "int8"], ["original"], True),
        (["original", "int8"], ["original", "int8"], True),
    ],
)
def test_a_rule_judges_views_of_its_variants_and_the_original(
    named: list[str], seen: list[str], is_judged: bool
) -> None:
    adversary = "NR" if len(seen) == 1 else "SR" if len(seen) == 2 else "MR"
    other = [result(0.5, variants=[name]) for name in named]
    verdict = judge(findings(*other, result(0.9, adversary=adversary, variants=seen)), [], only(named))
    assert verdict.outcome == ("fail" if is_judged else "pass")


def test_a_leaking_original_does_not_fail_a_rule_about_a_variant() -> None:
    found = findings(result(0.5), result(0.9, variants=["original"]))
    assert judge(found, [], only(["int8"])).outcome == "pass"
    assert judge(found, [], only(["original", "int8"])).outcome == "fail"


def test_a_rule_judges_the_attacks_that_it_names() -> None:
    policy = GateConfig(rules=(GateRule(max=0.6, attacks=("confidence",)),))
    assert judge(findings(result(0.5), result(0.9, attack="rmia")), [], policy).outcome == "pass"
    assert judge(findings(result(0.9), result(0.5, attack="rmia")), [], policy).outcome == "fail"


@pytest.mark.parametrize(
    ("scope", "reason"),
    [
        ({"attacks": ("confidence", "rmia")}, "attacks: no result that the rule judges is about 'rmia': no reference"),
        ({"variants": ("int8", "fp16")}, "variants: no result that the rule judges is about 'fp16'"),
        ({"adversary": ("NR", "SR")}, "adversary: no result that the rule judges is about 'SR'"),
    ],
)
def test_what_a_rule_names_and_no_result_answers_is_no_pass(scope: dict[str, Any], reason: str) -> None:
    skipped = Skipped(View("NR", "rmia", ("int8",), "litert"), "no reference models")
    found = AttackFindings((result(0.5),), (skipped,))
    verdict = judge(found, [], GateConfig(rules=(GateRule(max=0.6, **scope),)))
    assert verdict.outcome == "inconclusive"
    assert verdict.rules[0].reason.startswith(reason)


def test_a_rate_of_many_digits_finds_its_result() -> None:
    rule = GateRule(metric="tpr_at_fpr", at_fpr=0.012345678, max=0.5)
    low = {"0.012345678": estimate(0.1, 0.02)}
    found = findings(result(0.5, tpr_at_fpr=low, simultaneous={"tpr_at_fpr": low}))
    assert judge(found, [], GateConfig(rules=(rule,))).outcome == "pass"


def test_a_rate_that_was_not_measured_is_inconclusive() -> None:
    verdict = judge(findings(result(0.5, tpr_at_fpr={"0.05": estimate(0.01, 0.0)})), [], TPR)
    assert verdict.outcome == "inconclusive"
    assert "1 of 1 results have no tpr_at_fpr[0.01]" in verdict.rules[0].reason


def compared(value: float, half: float, **more: Any) -> Result:
    increase = estimate(value, half)
    return result(0.6, versus_original=increase, simultaneous={"versus_original": increase}, **more)


def test_an_increase_names_both_attacks() -> None:
    policy = GateConfig(rules=(GateRule(max_increase=0.02),))
    reason = judge(findings(compared(0.06, 0.03)), [], policy).rules[0].reason
    assert reason.startswith("NR confidence on int8 (litert) against rmia on the original has 0.060")


def test_a_rule_that_names_attacks_holds_each_against_its_own_family() -> None:
    policy = GateConfig(rules=(GateRule(max_increase=0.02, attacks=("confidence",)),))
    strongest = AttackFindings((compared(0.0, 0.01),), increases=findings(compared(0.5, 0.01)).increases)
    assert judge(strongest, [], policy).outcome == "pass"
    assert judge(strongest, [], GateConfig(rules=(GateRule(max_increase=0.02),))).outcome == "fail"


def test_increase_over_the_original() -> None:
    policy = GateConfig(rules=(GateRule(max_increase=0.02),))
    assert judge(findings(compared(0.06, 0.03)), [], policy).outcome == "fail"
    assert judge(findings(compared(0.0, 0.01)), [], policy).outcome == "pass"


def test_increase_does_not_judge_the_original_itself() -> None:
    policy = GateConfig(rules=(GateRule(max_increase=0.02),))
    original = result(0.9, variants=["original"])
    assert judge(findings(compared(0.0, 0.01), original), [], policy).outcome == "pass"
    assert judge(findings(original), [], policy).outcome == "inconclusive"


def test_increase_needs_every_comparison() -> None:
    policy = GateConfig(rules=(GateRule(max_increase=0.02),))
    alone = result(0.5, attack="rmia")
    verdict = judge(findings(compared(0.0, 0.01), alone), [], policy)
    assert verdict.outcome == "inconclusive"
    assert "1 of 2 results have no AUC difference from the original" in verdict.rules[0].reason


def test_broken_parity_is_inconclusive() -> None:
    verdict = judge(findings(), [artifact(80)], PARITY)
    assert verdict.outcome == "inconclusive"
    assert "flips 10.0% of 800" in verdict.rules[0].reason
    assert verdict.rules[0].worst == ArtifactName("int8", "litert")


def test_kept_parity_passes() -> None:
    verdict = judge(findings(), [artifact(8), artifact(800, variant="finetuned", is_control=True)], PARITY)
    assert verdict.outcome == "pass"


@pytest.mark.parametrize("missing", [None, Parity(math.nan, 0, 800), Parity(0.0, 0, 0), Parity(0.0, -1, 800)])
def test_an_artifact_without_parity_is_named_and_never_passes(missing: Parity | None) -> None:
    unknown = type(artifact(0))(variant="fp16", runtime="onnx", parity=missing)
    verdict = judge(findings(), [artifact(0), unknown], PARITY)
    assert verdict.outcome == "inconclusive"
    assert verdict.rules[0].reason == "1 of 2 artifacts were not compared with a reference: fp16 on onnx"
    assert judge(findings(), [unknown], PARITY).outcome == "inconclusive"
    assert judge(findings(), [], PARITY).outcome == "inconclusive"


def test_parity_judges_the_variants_that_it_names() -> None:
    policy = GateConfig(rules=(GateRule(max_flip_share=0.01, variants=("int8",)),))
    assert judge(findings(), [artifact(0), artifact(800, variant="fp16")], policy).outcome == "pass"
    named = GateConfig(rules=(GateRule(max_flip_share=0.01, variants=("int8", "fp16")),))
    assert judge(findings(), [artifact(0)], named).outcome == "inconclusive"
