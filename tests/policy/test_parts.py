"""A rule about classes or groups judges each by itself; what is too small to be measured is no pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.config import GateConfig, GateRule
from harness.errors import ConfigError
from harness.policy import Verdict, check, check_names, judge
from harness.results import AttackFindings, Slice, SlicedView, SliceFindings, SliceResult
from harness.types import Estimate, View
from tests.policy.sample import AUDIT, findings

PARTS = {"class": ("0", "1", "2"), "site": ("A", "B")}
WITH_PARTS = replace(AUDIT, parts=PARTS)


def estimate(value: float, half: float) -> Estimate:
    return Estimate(value, value - half, value + half, 100, "delong")


def sliced(leaky: str = "", value: float = 0.9, *, view: View | None = None, column: str = "class") -> SliceFindings:
    """A view with the parts of a column, of which one leaks; a last one is too small to be measured."""
    parts = [Slice(column, one, 50, 50) for one in PARTS[column]]
    rows = tuple(
        SliceResult(
            part,
            estimate(value if part.value == leaky else 0.5, 0.05),
            {"0.05": estimate(0.05, 0.02)},
            estimate(value if part.value == leaky else 0.5, 0.1),
            {"0.05": estimate(0.05, 0.04)},
        )
        for part in parts
    )
    seen = view or View("NR", "rmia", ("int8",), "litert")
    return SliceFindings(25, (SlicedView(seen, "order", estimate(0.5, 0.02), rows),), (Slice(column, "9", 4, 3),), {})


def judged(slices: SliceFindings | None, **keys: Any) -> Verdict:
    rule = GateRule(id="r", max=keys.pop("max", 0.7), **keys)
    return judge(findings(), [], GateConfig(rules=(rule,)), slices={} if slices is None else {"": slices})


@pytest.mark.parametrize("classes", ["1", 1, (0, 1), ("0", "1")])
def test_a_rule_judges_the_classes_that_it_names(classes: Any) -> None:
    assert judged(sliced("1"), classes=classes).outcome == "fail"
    assert judged(sliced("2"), classes=classes).outcome == "pass"


def test_a_case_names_its_part() -> None:
    rule = judged(sliced("1"), classes=(0, 1)).rules[0]
    assert [(case.part, case.outcome) for case in rule.cases] == [("class 0", "pass"), ("class 1", "fail")]
    assert rule.reason.startswith("NR rmia on int8 (litert), class 1 has 0.900 [0.850, 0.950]")
    assert Verdict.from_json(Verdict((rule,)).to_json()).rules == (rule,)


def test_a_star_is_each_value_and_one_that_is_too_small_is_open() -> None:
    verdict = judged(sliced(), classes="*")
    assert verdict.outcome == "inconclusive"
    assert verdict.rules[0].reason == "1 of 4 results have no auc: NR rmia on int8 (litert), class 9"
    assert judged(sliced("2"), classes="*").outcome == "fail"
    assert judged(replace(sliced(), too_small=()), classes="*").outcome == "pass"


def test_a_part_with_fewer_records_than_the_rule_asks_for_is_open() -> None:
    verdict = judged(sliced("1"), classes=1, min_n=51)
    assert verdict.outcome == "inconclusive"
    assert "has 50 members and 50 non-members, and the rule asks for 51 of each" in verdict.rules[0].reason


def test_a_rule_of_a_group_judges_its_values() -> None:
    group = {"column": "site", "value": "B"}
    assert judged(sliced("B", column="site"), group=group).outcome == "fail"
    assert judged(sliced("A", column="site"), group=group).outcome == "pass"
    each = judged(replace(sliced("A", column="site"), too_small=()), group={"column": "site"})
    assert each.outcome == "fail"
    assert [case.part for case in each.rules[0].cases] == ["site A", "site B"]


def test_a_rate_of_a_part() -> None:
    keys = {"metric": "tpr_at_fpr", "at_fpr": 0.05, "classes": 1}
    assert judged(sliced("1"), max=0.1, **keys).outcome == "pass"
    assert judged(sliced("1"), max=0.06, **keys).outcome == "inconclusive"


def test_a_rule_of_parts_keeps_its_other_scopes() -> None:
    other = View("SR", "sr2-rf", ("original", "int8"), "litert")
    assert judged(sliced("1", view=other), classes=1, adversary=("NR",)).outcome == "inconclusive"
    assert judged(sliced("1", view=other), classes=1, adversary=("SR",)).outcome == "fail"


def test_parts_that_were_not_measured_are_open() -> None:
    assert judged(None, classes=1).rules[0].reason == "this audit measured no parts of the records"
    assert judged(sliced(), classes=(1, 7)).outcome == "inconclusive"


def test_several_devices_each_have_their_parts() -> None:
    rule = GateRule(id="r", max=0.7, classes=("1",))
    slices = {"phone": sliced("1"), "board": sliced()}
    verdict = judge(AttackFindings(), [], GateConfig(rules=(rule,)), slices=slices)
    assert verdict.outcome == "fail"
    assert [case.about.device for case in verdict.rules[0].culprits] == ["phone"]
    only = GateRule(id="r", max=0.7, classes=("1",), device=("board",))
    assert judge(AttackFindings(), [], GateConfig(rules=(only,)), slices=slices).outcome == "pass"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"classes": 7}, "classes: no audited record has class '7'; use one of: 0, 1, 2"),
        ({"group": {"column": "sites"}}, "group: 'sites' is no column of groups of this audit; did you mean 'site'?"),
        ({"group": {"column": "site", "value": "C"}}, "group: no audited record has site 'C'"),
    ],
)
def test_a_class_or_group_that_is_not_there_is_refused_before_and_after(rule: dict[str, Any], message: str) -> None:
    policy = GateConfig(rules=(GateRule(id="r", max=0.7, **rule),))
    for refuses in (check, check_names):
        with pytest.raises(ConfigError) as caught:
            refuses(policy, WITH_PARTS)
        assert str(caught.value).startswith(f"gate rule 'r': {message}")


def test_classes_and_groups_that_are_there_are_accepted() -> None:
    for keys in ({"classes": (1, 2)}, {"classes": "*"}, {"group": {"column": "site"}}):
        check(GateConfig(rules=(GateRule(max=0.7, **keys),)), WITH_PARTS)
