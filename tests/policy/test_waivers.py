"""A waiver takes a case out of its rule until its day is over; it never makes a pass of what nobody accepted."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.config import GateConfig, GateRule, WaiverConfig
from harness.policy import Verdict, for_device, judge
from harness.results import Result
from tests.policy.sample import artifact, findings, result
from tests.policy.test_properties import results

TODAY = date(2026, 6, 15)
RULE = GateRule(id="auc", max=0.6)


def waiver(expires: str = "2026-06-15", **more: Any) -> WaiverConfig:
    keys: dict[str, Any] = {"rule": "auc", "owner": "A. Person", "reason": "known since 1.0", "expires": expires}
    return WaiverConfig(**{**keys, **more})


def judged(*found: Result, waivers: tuple[WaiverConfig, ...], rule: GateRule = RULE) -> Verdict:
    return judge(findings(*found), [], GateConfig(rules=(rule,), waiver=waivers), today=TODAY)


def test_a_waived_failure_fails_nothing_and_is_said_with_name_and_date() -> None:
    verdict = judged(result(0.5), result(0.9, attack="rmia"), waivers=(waiver(),))
    (rule,) = verdict.rules
    assert verdict.outcome == "pass"
    assert rule.reason.endswith("; 1 result is waived by A. Person until 2026-06-15")
    (case,) = rule.waived
    assert (case.outcome, case.waiver and case.waiver.reason) == ("fail", "known since 1.0")
    assert rule.culprits == ()
    assert Verdict.from_json(verdict.to_json()) == verdict


def test_a_waiver_counts_through_its_last_day_and_not_beyond() -> None:
    leaky = result(0.9)
    assert judged(leaky, waivers=(waiver("2026-06-15"),)).outcome == "pass"
    verdict = judged(leaky, waivers=(waiver("2026-06-14"),))
    assert verdict.outcome == "fail"
    assert "the waiver of A. Person expired on 2026-06-14" in verdict.rules[0].reason
    (case,) = verdict.rules[0].culprits
    assert case.waiver is not None
    assert case.waiver.is_expired


def test_an_expired_waiver_of_an_open_case_leaves_it_open_and_says_so() -> None:
    verdict = judged(result(0.6), waivers=(waiver("2020-01-01"),))
    assert verdict.outcome == "inconclusive"
    assert "the waiver of A. Person expired on 2020-01-01" in verdict.rules[0].reason


@pytest.mark.parametrize(
    ("scope", "is_waived"),
    [
        ({"attacks": "rmia"}, True),
        ({"attacks": "confidence"}, False),
        ({"variants": "int8"}, True),
        ({"variants": ("fp16",)}, False),
        ({"runtime": "litert"}, True),
        ({"runtime": "onnx"}, False),
        ({"device": "*"}, True),
        ({"device": "phone"}, False),
    ],
)
def test_a_waiver_covers_what_it_names(scope: dict[str, Any], is_waived: bool) -> None:
    verdict = judged(result(0.5), result(0.9, attack="rmia"), waivers=(waiver(**scope),))
    assert verdict.outcome == ("pass" if is_waived else "fail")


def test_a_waiver_of_a_variant_covers_views_of_it_and_the_original_alone() -> None:
    joint = result(0.9, adversary="MR", attack="mr-gbt", variants=["original", "int8", "fp16"])
    assert judged(joint, waivers=(waiver(variants="int8"),)).outcome == "fail"
    assert judged(joint, waivers=(waiver(variants=("int8", "fp16")),)).outcome == "pass"


def test_a_waiver_of_parity_covers_an_artifact() -> None:
    rule = GateRule(id="auc", max_flip_share=0.01)
    rows = [artifact(0), artifact(80, variant="fp16")]
    for scope, outcome in (({}, "pass"), ({"variants": "fp16"}, "pass"), ({"attacks": "rmia"}, "inconclusive")):
        policy = GateConfig(rules=(rule,), waiver=(waiver(**scope),))
        assert judge(findings(), rows, policy, today=TODAY).outcome == outcome


def test_a_waiver_of_a_result_without_a_figure_is_a_waiver() -> None:
    assert judged(result(0.5), result(0.5, auc=None, attack="rmia"), waivers=(waiver(),)).outcome == "pass"


def test_what_has_no_case_cannot_be_waived() -> None:
    rule = GateRule(id="auc", max=0.6, adversary=("MR",))
    assert judged(result(0.5), waivers=(waiver(),), rule=rule).outcome == "inconclusive"
    named = GateRule(id="auc", max=0.6, variants=("int8", "fp16"))
    assert judged(result(0.5), waivers=(waiver(),), rule=named).outcome == "inconclusive"


def test_a_waiver_that_is_about_nothing_is_a_note_and_no_error() -> None:
    verdict = judged(result(0.5), waivers=(waiver(variants="int9"),))
    assert verdict.outcome == "pass"
    (note,) = verdict.notes
    assert note == (
        "the waiver of A. Person for rule 'auc' until 2026-06-15 is about nothing that the rule judges; remove it, or "
        "mend what it names"
    )


def test_a_waiver_of_what_holds_is_a_note() -> None:
    (note,) = judged(result(0.5), waivers=(waiver(),)).notes
    assert note.endswith("is not needed: everything that it is about holds")


def test_of_two_waivers_the_one_that_counts_longest_is_named() -> None:
    verdict = judged(result(0.9), waivers=(waiver("2020-01-01", owner="Old"), waiver("2027-01-01", owner="New")))
    assert verdict.outcome == "pass"
    assert "waived by New until 2027-01-01" in verdict.rules[0].reason


def test_on_one_device_of_several_waivers_of_another_are_left_out() -> None:
    policy = GateConfig(rules=(RULE,), waiver=(waiver(device="phone"), waiver(device="board"), waiver()))
    assert len(for_device(policy, "phone", alone=False).waiver) == 2
    own = for_device(policy, "phone", alone=True)
    verdict = judge(findings(result(0.9)), [], own, today=TODAY)
    assert verdict.outcome == "pass"
    assert sum("about nothing" in note for note in verdict.notes) == 1, "the one of the board"


@settings(deadline=None, max_examples=80)
@given(
    found=st.lists(results(control=False), max_size=4),
    expires=st.sampled_from(["2020-01-01", "2026-06-14", "2026-06-15", "2030-01-01"]),
    scope=st.sampled_from([{}, {"variants": "int8"}, {"attacks": "rmia"}, {"runtime": "onnx"}]),
)
def test_a_waiver_changes_no_case_and_no_pass(found: list[Result], expires: str, scope: dict[str, Any]) -> None:
    plain = judged(*found, waivers=())
    with_one = judged(*found, waivers=(waiver(expires, **scope),))
    outcomes = [[case.outcome for case in verdict.rules[0].cases] for verdict in (plain, with_one)]
    assert outcomes[0] == outcomes[1]
    if plain.outcome == "pass":
        assert with_one.outcome == "pass"
    if expires < "2026-06-15":
        assert with_one.outcome == plain.outcome
    if with_one.outcome == "pass":
        assert all(case.outcome == "pass" or case.is_waived for case in with_one.rules[0].cases)
        assert with_one.rules[0].cases
