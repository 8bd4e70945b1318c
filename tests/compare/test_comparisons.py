"""Which views are compared, what a difference says, and the quick true-positive rate behind the bootstrap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness import stats
from harness.compare.comparisons import (
    Comparison,
    Pair,
    compare_auc,
    compare_tpr,
    is_joint,
    is_stacked,
    pairs,
    tpr_value,
)
from harness.compare.pairing import PairedRuns
from harness.types import Estimate, View
from tests.compare.finished_runs import BOOSTED, FPR, INT8, JOINT, PAIR, RMIA, STACK, TUNED, WEAK, finished

SHIFTS = {RMIA: 1.0, INT8: 1.0, WEAK: 0.5, PAIR: 0.4, TUNED: 0.4, JOINT: 1.5, STACK: 0.3, BOOSTED: 0.3}
SHADOWS = {RMIA: 0.7, WEAK: 0.6, PAIR: 0.6, TUNED: 0.6}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> PairedRuns:
    """Two runs; nobody writes into them."""
    folder = tmp_path_factory.mktemp("runs")
    return PairedRuns.read([finished(folder / str(seed), SHIFTS, seed=seed, shadow_auc=SHADOWS) for seed in (1, 2)])


def test_every_adversary_is_compared_with_the_one_before_it_and_with_the_control(runs: PairedRuns) -> None:
    asked = {(pair.question, pair.view, pair.against) for pair in pairs(runs, "litert")}
    expected = {
        ("variant alone", INT8, RMIA),
        ("SR", PAIR, RMIA),
        ("SR", TUNED, RMIA),
        ("SR beyond fine-tuning", PAIR, TUNED),
    }
    for view in (JOINT, STACK, BOOSTED):
        expected |= {("MR", view, RMIA), ("MR beyond SR", view, PAIR), ("MR beyond fine-tuning", view, TUNED)}
    assert asked == expected


def test_without_a_control_nothing_is_compared_with_one(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", {view: shift for view, shift in SHIFTS.items() if view != TUNED})
    assert not [pair for pair in pairs(PairedRuns.read([run]), "litert") if "fine-tuning" in pair.question]


def test_intervals_of_all_comparisons_hold_at_once(runs: PairedRuns) -> None:
    asked = [Pair("SR", PAIR, RMIA), Pair("MR", JOINT, RMIA)]
    fewer, more = compare_auc(runs, asked, level=0.95)
    assert fewer.difference.level == more.difference.level == 1.0 - 0.05 / 2
    assert (fewer.answer, more.answer) == ("less", "more")
    assert fewer.difference == stats.average(runs.differences(PAIR, RMIA, level=0.975))
    assert len(fewer.each) == 2
    assert np.mean(fewer.each) == pytest.approx(fewer.difference.value)


def test_likelihoods_are_compared_with_stacked_attacks_on_the_same_variants(runs: PairedRuns) -> None:
    (comparison,) = compare_tpr(runs, "litert", fpr=FPR, level=0.95, seed=0)
    assert (comparison.pair.view, comparison.pair.against) == (JOINT, STACK)
    assert comparison.pair.question == "TPR at 5.0% FPR"
    assert comparison.answer == "more"
    (again,) = compare_tpr(runs, "litert", fpr=FPR, level=0.95, seed=0)
    assert again == comparison
    assert compare_tpr(runs, "onnx", fpr=FPR, level=0.95, seed=0) == []


def test_families_say_what_an_attack_on_several_variants_is() -> None:
    variants = ("original", "int8")
    several = ("lira-joint", "rmia-joint", "mr-logistic", "mr-net", "mr-gbt")
    assert [name for name in several if is_joint(View("MR", name, variants))] == ["lira-joint", "rmia-joint"]
    assert [name for name in several if is_stacked(View("MR", name, variants))] == ["mr-logistic", "mr-net", "mr-gbt"]
    assert not is_joint(View("NR", "lira", ("original",)))
    assert not is_stacked(View("NR", "gbt", ("original",)))


@pytest.mark.parametrize(
    ("low", "high", "answer"), [(0.01, 0.03, "more"), (-0.03, -0.01, "less"), (-0.01, 0.03, "not resolved")]
)
def test_the_interval_gives_the_answer(low: float, high: float, answer: str) -> None:
    middle = (low + high) / 2
    comparison = Comparison(Pair("SR", PAIR, RMIA), Estimate(middle, low, high, 100, "test"), (middle,))
    assert comparison.answer == comparison.to_json()["answer"] == answer


@pytest.mark.parametrize("levels", [None, 7, 40])
@pytest.mark.parametrize("fpr", [0.01, 0.05, 0.5])
def test_the_quick_tpr_is_that_of_the_statistics(levels: int | None, fpr: float) -> None:
    rng = np.random.default_rng(3)
    membership = rng.integers(0, 2, 4000)
    values = rng.normal(size=4000) + membership
    if levels is not None:  # ties
        values = np.round(values * levels / 6)
    estimate = stats.tpr_at_fpr(stats.roc(values, membership), fpr)
    # A tie may hide the attack's rate, which then has no value; the step function still has one there.
    step = (values[membership == 1] >= estimate.threshold).mean()
    assert tpr_value(values, membership, fpr) == pytest.approx(step if estimate.tied else estimate.value, abs=1e-15)
