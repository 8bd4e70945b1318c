"""A rule that an audit can never answer is refused before anything starts, with its id, its field and the mend."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.attacks import attack_class
from harness.attacks._evaluate import _plan
from harness.config import GateConfig, GateRule
from harness.errors import ConfigError
from harness.policy import Answerable, check
from tests.policy.sample import AUDIT

ONLY_NR = replace(AUDIT, attacks={"rmia": "NR"})
ONE_VARIANT = replace(AUDIT, variants=("original", "finetuned", "int8"))
NO_ORIGINAL = replace(AUDIT, variants=("int8", "prune-0.6"))


def refusal(audit: Answerable, **rule: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        check(GateConfig(rules=(GateRule(id="r1", **rule),)), audit)
    assert str(caught.value).startswith("gate rule 'r1': ")
    return str(caught.value).removeprefix("gate rule 'r1': ")


@pytest.mark.parametrize(
    "rule",
    [
        {"max": 0.8},
        {"max_increase": 0.1},
        {"max_flip_share": 0.1, "variants": ("int8", "original")},
        {"max": 0.5, "metric": "tpr_at_fpr", "at_fpr": 0.01},
        {"max": 0.8, "adversary": ("SR",), "variants": ("int8",)},
        {"max": 0.8, "adversary": ("MR",), "variants": ("prune-0.6", "int8")},
        {"max": 0.8, "adversary": ("NR",), "variants": ("original",)},
        {"max": 0.8, "attacks": ("rmia", "mr-gbt")},
        {"max": 0.8, "attacks": ("rmia",), "variants": ("int8",)},
    ],
)
def test_a_rule_that_can_be_answered_is_accepted(rule: dict[str, Any]) -> None:
    check(GateConfig(rules=(GateRule(**rule),)), AUDIT)


@pytest.mark.parametrize("audit", [ONLY_NR, ONE_VARIANT, NO_ORIGINAL])
def test_a_rule_that_names_no_adversary_takes_those_that_there_are(audit: Answerable) -> None:
    check(GateConfig(rules=(GateRule(max=0.8),)), audit)


@pytest.mark.parametrize(
    ("audit", "rule", "message"),
    [
        (
            AUDIT,
            {"max": 0.8, "variants": ("int9",)},
            "variants: 'int9' is no variant of this audit; did you mean 'int8'?",
        ),
        (
            AUDIT,
            {"max_flip_share": 0.1, "variants": ("weird",)},
            "variants: 'weird' is no variant of this audit; use one of: original, int8, prune-0.6",
        ),
        (
            AUDIT,
            {"max": 0.8, "variants": ("finetuned",)},
            "variants: 'finetuned' is a control, and controls are not judged; name a variant that ships",
        ),
        (AUDIT, {"max": 0.8, "attacks": ("rmai",)}, "attacks: 'rmai' does not run in this audit; did you mean 'rmia'?"),
        (
            AUDIT,
            {"max": 0.8, "attacks": ("rmia",), "adversary": ("SR",)},
            "attacks: 'rmia' is an attack of NR; add NR to the rule's adversary, or leave the attack out",
        ),
        (
            AUDIT,
            {"max": 0.8, "attacks": ("rmia",), "adversary": ("NR", "SR")},
            "adversary: 'SR' has no result to judge: the rule names no attack of SR; add one of sr2-rf, or leave SR "
            "out of the rule",
        ),
        (
            ONLY_NR,
            {"max": 0.8, "adversary": ("NR", "MR")},
            "adversary: 'MR' has no result to judge: no attack of MR runs; add one to attack.names, or leave MR out of "
            "the rule",
        ),
        (
            NO_ORIGINAL,
            {"max": 0.8, "adversary": ("SR",)},
            "adversary: 'SR' has no result to judge: SR needs 'original' and one more variant that ships; add "
            "variants, or leave SR out of the rule",
        ),
        (
            replace(AUDIT, variants=("original", "finetuned")),
            {"max": 0.8, "adversary": ("SR",)},
            "adversary: 'SR' has no result to judge: SR needs 'original' and one more variant that ships; add "
            "variants, or leave SR out of the rule",
        ),
        (
            ONE_VARIANT,
            {"max": 0.8, "adversary": ("MR",)},
            "adversary: 'MR' has no result to judge: MR needs at least two compressed variants that ship; add "
            "variants, or leave MR out of the rule",
        ),
        (
            AUDIT,
            {"max": 0.8, "adversary": ("MR",), "variants": ("int8",)},
            "adversary: 'MR' has no result to judge: MR sees int8, prune-0.6 together; name all of them in variants, "
            "or leave MR out of the rule",
        ),
        (
            AUDIT,
            {"max": 0.8, "attacks": ("mr-gbt",), "variants": ("int8",)},
            "attacks: 'mr-gbt' has no result to judge: MR sees int8, prune-0.6 together; name all of them in variants, "
            "or leave MR out of the rule",
        ),
        (
            AUDIT,
            {"max": 0.8, "adversary": ("SR",), "variants": ("original",)},
            "adversary: 'SR' has no result to judge: SR sees no compressed variant that the rule names; add one to its "
            "variants, or leave SR out of the rule",
        ),
        (
            AUDIT,
            {"max_increase": 0.1, "adversary": ("NR",), "variants": ("original",)},
            "adversary: 'NR' has no result to judge: NR sees no compressed variant that the rule names",
        ),
        (
            AUDIT,
            {"max": 0.5, "metric": "tpr_at_fpr", "at_fpr": 0.001},
            "at_fpr: 0.001 is not measured; add it to attack.fprs, which lists 0.05, 0.01",
        ),
        (
            replace(AUDIT, has_reference=False),
            {"max_flip_share": 0.05},
            "max_flip_share: this audit compares with no reference; give it one, or leave the rule out",
        ),
        (
            NO_ORIGINAL,
            {"max_increase": 0.1},
            "max_increase: compares with 'original', which is no variant of this audit; add it, or use 'max'",
        ),
        (
            replace(AUDIT, attacks={"sr2-rf": "SR"}),
            {"max_increase": 0.1},
            "max_increase: compares with an attack of NR on the original; add one to attack.names, or use 'max'",
        ),
        (
            replace(AUDIT, attacks={}),
            {"max": 0.8},
            "adversary: no attack of NR runs; add one to attack.names, or leave",
        ),
    ],
)
def test_a_rule_that_is_never_answered_is_refused(audit: Answerable, rule: dict[str, Any], message: str) -> None:
    assert refusal(audit, **rule).startswith(message)


def test_the_refusal_names_every_such_rule() -> None:
    policy = GateConfig(rules=(GateRule(max=0.8, variants=("int9",)), GateRule(max=0.7)), max_flip_share=0.1)
    with pytest.raises(ConfigError) as caught:
        check(policy, replace(AUDIT, has_reference=False))
    assert "gate rule 'auc-max-0.8-int9': variants" in str(caught.value)
    assert "gate rule 'parity-0.1': max_flip_share" in str(caught.value)
    assert "auc-max-0.7" not in str(caught.value)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    "variants",
    [("original",), ("int8",), ("original", "finetuned"), NO_ORIGINAL.variants, ONE_VARIANT.variants, AUDIT.variants],
)
def test_the_views_are_those_that_the_attacks_plan(variants: tuple[str, ...]) -> None:
    names = ("confidence", "rmia", "sr2-rf", "mr-gbt")
    audit = replace(AUDIT, variants=variants, attacks={name: attack_class(name).adversary for name in names})
    tasks, _ = _plan(names, variants, "original", AUDIT.controls, "", "")
    planned = [task.view for task in tasks if not set(task.view.variants) & set(AUDIT.controls)]
    assert sorted(audit.views()) == sorted(planned)
