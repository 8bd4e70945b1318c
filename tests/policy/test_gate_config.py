"""`[gate]` of audit.toml: every rule gets a kind and an id, and what it cannot mean is refused by its field."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from harness.config import GateConfig, GateRule, parse
from harness.errors import ConfigError


def gate(text: str) -> GateConfig:
    return parse(tomllib.loads(f'name = "x"\n{text}')).gate


@pytest.mark.parametrize(
    ("keys", "kind", "id_"),
    [
        ({"max": 0.85}, "max", "auc-max-0.85"),
        ({"max_increase": 0.1}, "max_increase", "auc-increase-0.1"),
        ({"max_increase": -0.1}, "max_increase", "auc-increase--0.1"),
        ({"max_flip_share": 0.05}, "max_flip_share", "parity-0.05"),
        ({"max": 0.6, "metric": "balanced_accuracy"}, "max", "balanced-accuracy-max-0.6"),
        ({"max": 0.1, "metric": "tpr_at_fpr", "at_fpr": 0.01}, "max", "tpr-at-fpr-0.01-max-0.1"),
        ({"max": 2, "metric": "epsilon_lower"}, "max", "epsilon-lower-max-2.0"),
        ({"max": 0.6, "adversary": ["NR", "SR"]}, "max", "auc-max-0.6-NR-SR"),
        ({"max": 0.6, "adversary": ["MR", "SR", "NR"]}, "max", "auc-max-0.6"),
        ({"max": 0.6, "variants": ["prune-0.8+int8"], "attacks": ["rmia"]}, "max", "auc-max-0.6-prune-0.8+int8-rmia"),
        ({"max": 0.6, "attacks": ["my attack/1"]}, "max", "auc-max-0.6-my-attack-1"),
        ({"max": 0.6, "kind": "max", "id": "Release_1"}, "max", "Release_1"),
    ],
)
def test_a_rule_has_a_kind_and_an_id(keys: dict[str, Any], kind: str, id_: str) -> None:
    (rule,) = parse({"name": "x", "gate": {"rules": [keys]}}).gate.rules
    assert (rule.kind, rule.id) == (kind, id_)


def test_a_rule_from_toml() -> None:
    text = '[[gate.rules]]\nid = "r1"\nkind = "max"\nmax = 0.7\nattacks = ["rmia"]\nvariants = ["int8", "fp16"]\n'
    (rule,) = gate(text).rules
    assert rule == GateRule(id="r1", kind="max", max=0.7, attacks=("rmia",), variants=("int8", "fp16"))
    assert rule.name == "NR/SR/MR auc <= 0.7, variants int8 fp16, attacks rmia"


def test_the_short_form_of_parity_is_a_rule_like_the_others() -> None:
    short = gate("[gate]\nmax_flip_share = 0.05\n[[gate.rules]]\nmax = 0.7\n")
    assert short == gate("[[gate.rules]]\nmax = 0.7\n[[gate.rules]]\nmax_flip_share = 0.05\n")
    assert [rule.kind for rule in short.rules] == ["max", "max_flip_share"]


def test_a_policy_comes_back_from_json_as_it_was() -> None:
    rules = [{"max": 0.7}, {"metric": "tpr_at_fpr", "at_fpr": 0.01, "max": 0.2, "id": "tpr"}, {"max_increase": 0.1}]
    config = parse({"name": "x", "gate": {"rules": rules, "max_flip_share": 0.05}})
    assert parse(config.to_json()) == config


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"max": 0.6, "max_increase": 0.1}, "[[gate.rules]] number 1: needs exactly one of"),
        (
            {"max": 0.6, "atacks": ["rmia"]},
            '[[gate.rules]] number 1, key "atacks": unknown key; did you mean "attacks"?',
        ),
        (
            {"max": 0.6, "kind": "min"},
            '[[gate.rules]] number 1, key "kind": expected one of "max", "max_increase", "max_flip_share"',
        ),
        (
            {"max": 0.6, "kind": "max_increase"},
            "[[gate.rules]] number 1: kind: 'max_increase' takes the limit 'max_increase', and 'max' is given",
        ),
        ({"max": 0.6, "id": ""}, '[[gate.rules]] number 1, key "id": expected a name of letters'),
        ({"max": 0.6, "id": "a b"}, '[[gate.rules]] number 1, key "id": expected a name of letters'),
        ({"max": 0.6, "variants": []}, '[[gate.rules]] number 1, key "variants": '),
        ({"max": 0.6, "attacks": []}, '[[gate.rules]] number 1, key "attacks": '),
        (
            {"max": 85},
            "[[gate.rules]] number 1: max: 85 is too high: every result stays within it; give a number of 0.5 "
            "or more and below 1",
        ),
        ({"max": -0.1}, "[[gate.rules]] number 1: max: -0.1 is too low: a model that leaks nothing has 0.5"),
        ({"max": 0.4}, "[[gate.rules]] number 1: max: 0.4 is too low: a model that leaks nothing has 0.5"),
        ({"max": 1}, "[[gate.rules]] number 1: max: 1 is too high"),
        ({"max": 0.4, "metric": "balanced_accuracy"}, "[[gate.rules]] number 1: max: 0.4 is too low"),
        ({"max": 0.1, "metric": "tpr_at_fpr", "at_fpr": 0.2}, "a model that leaks nothing has 0.2 there"),
        (
            {"max": -1, "metric": "epsilon_lower"},
            "max: -1 is too low: no epsilon is below 0; give a number of 0 or more",
        ),
        ({"max": float("inf"), "metric": "epsilon_lower"}, "max: inf is no limit; give a number of 0 or more"),
        ({"max": 1.0, "metric": "mis_delta"}, "max: 1 is too high"),
        (
            {"max": float("nan"), "id": "auc"},
            "[[gate.rules]] number 1: rule 'auc': max: nan is no limit; give a number of 0.5 or",
        ),
        (
            {"max": float("inf")},
            "[[gate.rules]] number 1: max: inf is no limit; give a number of 0.5 or more and below 1",
        ),
        (
            {"max": float("nan")},
            "[[gate.rules]] number 1: max: nan is no limit; give a number of 0.5 or more and below 1",
        ),
        (
            {"max_increase": float("inf")},
            "[[gate.rules]] number 1: max_increase: inf is no limit; give a number above -1 and below 1",
        ),
        ({"max_increase": 5}, "[[gate.rules]] number 1: max_increase: 5 is too high: no two AUCs differ by more"),
        ({"max_increase": 0.1, "metric": "epsilon_lower"}, "[[gate.rules]] number 1: 'max_increase' compares AUCs"),
        (
            {"max_flip_share": 1.5},
            "[[gate.rules]] number 1: max_flip_share: 1.5 is too high: every result stays within it",
        ),
        ({"max_flip_share": float("nan")}, "[[gate.rules]] number 1: max_flip_share: nan is no limit"),
        (
            {"max_flip_share": 0.1, "adversary": ["NR"]},
            "[[gate.rules]] number 1: 'adversary' does not go with 'max_flip_share'",
        ),
        (
            {"max_flip_share": 0.1, "attacks": ["rmia"]},
            "[[gate.rules]] number 1: 'attacks' does not go with 'max_flip_share'",
        ),
        ({"max_flip_share": 0.1, "metric": "epsilon_lower"}, "[[gate.rules]] number 1: 'metric' does not go with"),
        ({"max": 0.1, "at_fpr": 0.01}, "[[gate.rules]] number 1: 'at_fpr' goes with metric"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused_by_its_field(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse({"name": "x", "gate": {"rules": [keys]}})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("table", "id_"),
    [
        ({"rules": [{"max": 0.6}, {"max": 0.6}]}, "auc-max-0.6"),
        ({"rules": [{"max": 0.6, "id": "a"}, {"max": 0.7, "id": "a"}]}, "a"),
        ({"rules": [{"max": 0.6, "id": "parity-0.1"}], "max_flip_share": 0.1}, "parity-0.1"),
    ],
)
def test_two_rules_of_one_id_are_refused(table: dict[str, Any], id_: str) -> None:
    with pytest.raises(ConfigError, match=rf"\[gate\]: rules: two have the id '{id_}': give one of them another id"):
        parse({"name": "x", "gate": table})


def test_a_wrong_short_form_is_named_where_it_stands() -> None:
    with pytest.raises(ConfigError, match=r"\[gate\]: max_flip_share: 2 is too high"):
        gate("[gate]\nmax_flip_share = 2.0\n")
