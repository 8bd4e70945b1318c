"""The first sentence and what to do next: what was found, before whether it is allowed, in words that stay right."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from harness import attacks
from harness.policy import Verdict
from harness.report import Report, headline
from harness.report._advice import next_steps
from harness.report._glossary import ATTACKS
from harness.report._setting import attacker, device_words, record_sentences
from harness.results import AttackFindings, DeviceResult, DevicesFindings
from harness.types import Estimate, TprEstimate
from tests.report import judged, sample


def with_aucs(*aucs: tuple[float, float, float], control: bool = False, epsilon: float = 0.0, **more: Any) -> Report:
    """A report of attacks on the original with these AUCs and their intervals, and this bound of epsilon."""
    first = Report.from_json(sample.report()).attacks.results[0]
    results = []
    for number, (value, low, high) in enumerate(aucs):
        auc = Estimate(value, low, high, 800, "delong")
        bound = Estimate(epsilon, epsilon, math.nan, 800, "conditional-binomial")
        simultaneous = replace(first.simultaneous, auc=auc, epsilon_lower=bound)
        view = replace(first.view, attack=f"attack-{number}")
        results.append(replace(first, view=view, auc=auc, simultaneous=simultaneous, is_control=control))
    return Report(attacks=AttackFindings(tuple(results)), **more)


def test_it_says_how_well_the_strongest_attack_does_and_what_it_finds_at_a_low_rate() -> None:
    found = headline(with_aucs((0.6, 0.55, 0.65), (0.58, 0.56, 0.6))).found
    assert found == (
        "Members can be told from non-members: the strongest attack (attack-0 on original alone, litert) reaches AUC "
        "0.60 [0.55, 0.65]; at 10% false alarms it finds 20% [14%, 26%] of the members."
    )


def test_the_figure_it_gives_is_one_that_shows_what_it_says() -> None:
    """The largest AUC may be unsure where a smaller one is certain: the sentence then names the certain one."""
    found = headline(with_aucs((0.7, 0.4, 0.9), (0.6, 0.55, 0.65))).found
    assert found.startswith("Members can be told from non-members: the strongest attack (attack-1")
    unsure = headline(with_aucs((0.7, 0.4, 0.9))).found
    assert unsure.startswith("These 800 records do not show that members can be told from non-members: the strongest")


def test_a_bound_of_epsilon_shows_leakage_that_no_auc_shows() -> None:
    found = headline(with_aucs((0.55, 0.49, 0.61), epsilon=1.06)).found
    assert found.startswith(
        "Some records give away whether they were members: attack-0 on original alone, litert proves ε ≥ 1.06. Over "
        "all records, the strongest attack (attack-0 on original alone, litert) reaches AUC 0.55 [0.49, 0.61]"
    )
    assert "do not show" in headline(with_aucs((0.55, 0.49, 0.61), control=False, epsilon=math.nan)).found
    assert "proves" not in headline(with_aucs((0.55, 0.49, 0.61), control=True, epsilon=2.0)).found


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (Report(), "Nothing was measured: no attack has a result."),
        (with_aucs((0.9, 0.8, 0.95), control=True), "Nothing was measured of what ships: only controls have a result."),
        (with_aucs((math.nan, math.nan, math.nan)), "Nothing was measured: no attack has a result."),
    ],
)
def test_where_nothing_was_measured_it_says_so(report: Report, expected: str) -> None:
    assert headline(report).found == expected


def test_too_few_records_are_told_with_how_many_would_be_enough() -> None:
    one = with_aucs((0.6, 0.5, 0.7))
    unresolved = Estimate(math.nan, math.nan, math.nan, 20, "m", resolvable=False, needed_n=200)
    (result,) = one.attacks.results
    few = replace(result, auc=unresolved, simultaneous=replace(result.simultaneous, auc=unresolved))
    assert headline(Report(attacks=AttackFindings((few,)))).found == (
        "These 20 records are too few to say whether members can be told from non-members; 200 would be enough."
    )


def test_a_null_twin_is_a_false_alarm_or_none_and_finds_no_members() -> None:
    alarm = headline(with_aucs((0.6, 0.55, 0.65), null=True)).text
    assert alarm.startswith("A false alarm: nobody is a member here, and still the strongest attack")
    quiet = headline(with_aucs((0.51, 0.45, 0.57), null=True)).text
    assert quiet.startswith("No false alarm: nobody is a member here, and no attack finds a difference")
    assert "of the members" not in alarm + quiet
    assert next_steps(with_aucs((0.6, 0.55, 0.65), null=True))[0].startswith("Do not rely on audits")


@pytest.mark.parametrize(
    ("exposure", "first"),
    [
        ({"answers": "label"}, "From the predicted class alone, members can be told"),
        ({"answers": "top-k", "top_k": 3}, "From the 3 largest confidences alone, members can be told"),
        ({"answers": "vector"}, "Members can be told"),
    ],
)
def test_it_says_what_an_app_shows_where_that_is_less_than_all(exposure: dict[str, Any], first: str) -> None:
    assert headline(with_aucs((0.6, 0.55, 0.65), data={"exposure": exposure})).found.startswith(first)


def test_it_names_the_devices_that_gave_no_result() -> None:
    lost = DeviceResult(name="adb:gone", folder="gone", missing=("attack",))
    devices = DevicesFindings((DeviceResult(name="adb:here", folder="here"), lost))
    report = with_aucs((0.6, 0.55, 0.65), devices=devices)
    assert headline(report).found.startswith("1 of 2 devices did not finish (adb:gone). Members can be told")


def test_it_says_what_was_decided_by_which_limit_and_what_was_waived() -> None:
    held = judged.rule("auc", [judged.case(judged.seen("int8"), "pass", 0.55)])
    waived = judged.rule("auc", [judged.case(judged.seen("int8"), "fail", waiver=judged.ACCEPTED)])
    warned = judged.rule("tpr", [judged.case(judged.seen("int8"), "fail")], severity="warn")
    broken = judged.rule("auc", [judged.case(judged.seen("int8"), "fail"), judged.case(judged.seen("fp16"), "fail")])
    decided = {
        "Pass under your limit of 0.6.": judged.report(held),
        "Pass under your limit of 0.6; 1 finding waived; 1 warning.": judged.report(waived, warned),
        "Report only: no rule of this policy can fail a release, 1 warning.": judged.report(warned),
        "Fail: rmia on int8 alone, litert (and 1 more) breaks “the rule auc”.": judged.report(broken),
        "Inconclusive: these records do not decide “the rule auc”.": judged.report(
            judged.rule("auc", [judged.case(judged.seen("int8"), "inconclusive")])
        ),
        "No verdict: nothing was judged.": replace(judged.report(), verdict=None),
        "No verdict: the policy has no rule.": replace(judged.report(), verdict=Verdict(())),
    }
    assert {headline(report).decided for report in decided.values()} == set(decided)
    assert all(headline(report).decided == words for words, report in decided.items())


def test_what_to_do_next_names_what_may_not_ship_and_what_may() -> None:
    cases = [judged.case(judged.seen("prune-0.8"), "fail"), judged.case(judged.seen("int8-ptq"), "pass", 0.5)]
    expired = judged.case(judged.seen("prune-0.6"), "fail", waiver=judged.EXPIRED)
    steps = next_steps(judged.report(judged.rule("auc", [*cases, expired])))
    assert steps[0] == "Do not release prune-0.6, prune-0.8."
    assert steps[1].startswith(
        "It fails because rmia on prune-0.8 alone, litert has 0.700 where the limit is 0.6; 1 more"
    )
    assert "A waiver of ada expired on 2020-01-01: renew it, or fix what it accepts." in steps
    assert "By themselves these pass: int8-ptq." in steps


def test_what_to_do_next_says_how_many_records_would_decide() -> None:
    """An interval of half-width 0.02 around 0.59 has to shrink to 0.01, which takes four times the 800 records."""
    open_case = judged.case(judged.seen("int8-ptq"), "inconclusive", 0.59)
    steps = next_steps(judged.report(judged.rule("auc", [open_case])))
    assert "About 3,200 records, half of them members, would decide, if the figures stay as they are." in steps
    rate = TprEstimate(math.nan, 0.0, 1.0, 800, "m", resolvable=False, needed_n=1000, fpr=0.01)
    steps = next_steps(judged.report(judged.rule("tpr", [replace(open_case, estimate=rate)])))
    assert "About 1,000 non-members would decide, if the figures stay as they are." in steps
    straddling = judged.case(judged.seen("int8-ptq"), "inconclusive", 0.6)
    steps = next_steps(judged.report(judged.rule("auc", [straddling])))
    assert any(step.startswith("Audit more records of both roles") for step in steps)


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ({"url": "local"}, "this computer, not a phone"),
        ({"url": "grpc://127.0.0.1:50051"}, "this computer, not a phone"),
        ({"url": "emulator:", "emulated": True}, "an emulated phone, whose latencies are not those of hardware"),
        ({"url": "adb:1", "board": {"model": "Pixel 8", "soc": "Tensor G3"}}, "Pixel 8, Tensor G3"),
        ({"url": "ssh:pi"}, "the device at ssh:pi"),
        ({}, "a device that says nothing of itself"),
    ],
)
def test_a_device_is_named_as_what_it_is(device: dict[str, Any], words: str) -> None:
    assert device_words(device) == words


def test_adversaries_are_spelled_out_at_their_first_use() -> None:
    _, rows = attacker(Report.from_json(sample.report()))
    assert [name for name, _, _ in rows] == ["NR (no reference)", "SR (single reference)", "MR (multiple references)"]
    assert record_sentences(Report.from_json(sample.report()))[0].startswith(
        "400 members (the model was trained on them)"
    )


def test_the_glossary_has_every_attack() -> None:
    from harness.attacks._registry import REGISTRY

    assert attacks.attack_class("rmia")
    assert set(REGISTRY) <= set(ATTACKS)
