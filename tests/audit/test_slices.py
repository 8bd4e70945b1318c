"""Leakage of parts of the records: what is measured, with which attack, and what its intervals promise."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.attacks import MIN_SIDE_RECORDS
from harness.audit.deciding import deciding, strongest
from harness.audit.slices import find_slices
from harness.results import AttackFindings, Measures, Result, SliceFindings
from harness.stats import auc
from harness.types import Adversary, Array, Estimate, FloatArray, IntArray, View

UNKNOWN = Measures(
    auc=Estimate.unknown(),
    balanced_accuracy=Estimate.unknown(),
    tpr_at_fpr={},
    epsilon_lower=Estimate.unknown(),
    versus_original=None,
)


def result(attack: str, *variants: str, shadow_auc: float = math.nan, **more: Any) -> Result:
    adversary: Adversary = "NR" if len(variants) == 1 else "SR"
    known: dict[str, Any] = {"trained_on": "shadows", "is_control": False, "runtime": ""} | more
    runtime = known.pop("runtime")
    return Result(
        **{name: getattr(UNKNOWN, name) for name in ("auc", "balanced_accuracy", "tpr_at_fpr", "epsilon_lower")},
        versus_original=None,
        view=View(adversary, attack, variants, runtime),
        n_members=0,
        n_nonmembers=0,
        simultaneous=UNKNOWN,
        versus_attack=None,
        threshold=math.nan,
        shadow_auc=shadow_auc,
        **known,
    )


def found(
    scores: FloatArray,
    membership: IntArray,
    labels: IntArray,
    groups: dict[str, Array] | None = None,
    results: tuple[Result, ...] = (result("confidence", "original", shadow_auc=0.6),),
) -> SliceFindings:
    return find_slices(
        AttackFindings(results),
        lambda _view: scores,
        labels=labels,
        groups=groups or {},
        membership=membership,
        fprs=(0.05, 0.01),
        level=0.95,
    )


def test_the_attack_that_did_best_on_the_shadows_decides_each_view() -> None:
    results = (
        result("confidence", "original", shadow_auc=0.6),
        result("rmia", "original", shadow_auc=0.7),
        result("gbt", "original"),
        result("confidence", "int8", shadow_auc=0.8),
        result("rmia", "finetuned", shadow_auc=0.99, is_control=True),
        result("sr2-rf", "original", "int8", shadow_auc=0.65),
    )
    choices = deciding(results)
    assert [one.view.attack for one in choices] == ["rmia", "confidence", "sr2-rf"]
    assert {one.chosen_on for one in choices} == {"shadows"}
    best = strongest(choices)
    assert best is not None
    assert best.view.variants == ("int8",)
    assert strongest(()) is None


def test_without_shadows_an_order_decides_and_no_figure_of_the_audited_records() -> None:
    """Cross-fitted, an AUC on what was learned from is one on the audited records."""
    known = {"trained_on": "members"}
    results = (
        result("confidence", "original", shadow_auc=0.6, **known),
        result("gbt", "original", shadow_auc=0.9, **known),
        result("rmia", "int8", shadow_auc=0.5, **known),
        result("confidence", "int8", shadow_auc=0.8, **known),
    )
    choices = deciding(results)
    assert [one.view.attack for one in choices] == ["confidence", "rmia"]
    assert {one.chosen_on for one in choices} == {"order"}
    other = [replace(one, shadow_auc=1.0 - one.shadow_auc) for one in results]
    assert [one.view for one in deciding(other)] == [one.view for one in choices]


def test_every_class_and_every_value_is_measured_or_said_to_be_too_small() -> None:
    n = 400
    rng = np.random.default_rng(0)
    membership, labels = np.arange(n) % 2, np.where(np.arange(n) < 360, 0, 7)
    ages = np.array(["10", "9", "old"])[(np.arange(n) // 2) % 3]
    scores = rng.normal(size=n) + membership
    outcome = found(scores, membership, labels, {"age": ages})
    (view,) = outcome.views
    parts = [(one.part.column, one.part.value) for one in view.slices]
    assert parts == [("class", "0"), ("age", "9"), ("age", "10"), ("age", "old")]
    assert [(one.column, one.value, one.n_members, one.n_nonmembers) for one in outcome.too_small] == [
        ("class", "7", 20, 20)
    ]
    assert outcome.minimum == MIN_SIDE_RECORDS
    nine = view.slices[1]
    rows = ages == "9"
    assert nine.auc == auc(scores[rows], membership[rows])
    assert (nine.part.n_members, nine.part.n_nonmembers) == (membership[rows].sum(), (1 - membership[rows]).sum())
    assert set(nine.tpr_at_fpr) == {"0.05", "0.01"}
    assert not nine.tpr_at_fpr["0.01"].resolvable, "1% of 66 non-members is less than one"
    assert nine.tpr_at_fpr["0.01"].needed_n == 1000


def test_the_simultaneous_intervals_are_bonferronis_over_all_runtimes() -> None:
    n = 300
    membership, labels = np.arange(n) % 2, (np.arange(n) // 2) % 3
    scores = np.random.default_rng(1).normal(size=n)
    results = tuple(
        result("confidence", variant, runtime=runtime, shadow_auc=0.6)
        for runtime in ("litert", "onnx")
        for variant in ("original", "int8")
    )
    outcome = found(scores, membership, labels, results=results)
    assert set(outcome.corrections) == {"litert", "onnx"}
    for one in outcome.corrections.values():
        assert one.figures == 2 * (1 + 3 * 3), "two views; all records, and of three classes an AUC and two rates"
        assert one.pointwise == pytest.approx(1 - 0.05 / 40)
        assert one.z == pytest.approx(3.2272, abs=1e-3)
    for view in outcome.views:
        assert view.whole.level == pytest.approx(1 - 0.05 / 40)
        for part in view.slices:
            assert part.simultaneous_auc.low < part.auc.low <= part.auc.high < part.simultaneous_auc.high
            assert part.simultaneous_auc.value == part.auc.value


def test_a_class_that_leaks_while_the_others_do_not_is_the_worst() -> None:
    n, classes = 2000, 5
    rng = np.random.default_rng(2)
    membership, labels = np.arange(n) % 2, (np.arange(n) // 2) % classes
    scores = rng.normal(size=n) + 1.5 * membership * (labels == 3)
    worst = found(scores, membership, labels).worst()
    assert worst is not None
    view, one = worst
    assert (one.part.column, one.part.value) == ("class", "3")
    assert one.simultaneous_auc.low > view.whole.high


@pytest.mark.slow
@pytest.mark.parametrize("leak", [0.0, 0.5])
def test_all_intervals_hold_at_once_in_nearly_every_audit(leak: float) -> None:
    """The true AUC of every slice, and of the whole, is the same here: that of two normals ``leak`` apart."""
    truth = 0.5 * (1 + math.erf(leak / 2))
    n, audits, missed, named = 600, 200, 0, 0
    for seed in range(audits):
        rng = np.random.default_rng(seed)
        membership, labels = rng.integers(0, 2, n), rng.integers(0, 8, n)
        outcome = found(rng.normal(size=n) + leak * membership, membership, labels, {"g": rng.integers(0, 3, n)})
        (view,) = outcome.views
        aucs = [view.whole, *(one.simultaneous_auc for one in view.slices)]
        missed += not all(one.holds(truth) for one in aucs)
        named += outcome.worst() is not None
    # 5% nominal; the AUCs are 12 of 34 figures, so that less than 2% of audits are expected.
    assert missed / audits < 0.05
    assert named / audits < 0.05
