"""Changes over an earlier audit: paired by record where both hold the same ones, else as independent intervals."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from harness.audit.baseline import compare, independent_difference, require_baseline
from harness.config import BaselineConfig, GateConfig, GateRule
from harness.errors import ConfigError, EdgeleakError, RunError
from harness.policy import Baseline, judge
from harness.results import AttackFindings
from harness.store import Run
from harness.types import Estimate, View
from tests.audit.hand_made import CONFIG, finished_run, scores

N = 2000
MEMBERSHIP = np.tile([1, 0], N // 2).astype(np.int64)
COMMON = np.random.default_rng(99).normal(size=N)
RMIA, LIRA = View("NR", "rmia", ("int8",), "litert"), View("NR", "lira", ("int8",), "litert")
LIMIT = GateRule(id="over", max_increase=0.05, against="baseline")


def against(run: Run, place: BaselineConfig) -> Baseline:
    return compare(place, CONFIG, run, AttackFindings.from_json(run.read_json("results/attack.json")))


def pair(
    folder: Path, ours: tuple[float, float], theirs: tuple[float, float], ids: Sequence[int] | None = None
) -> tuple[Run, Baseline]:
    """Two runs whose attacks have these AUCs, of which the second is the baseline."""
    views = (RMIA, LIRA)
    here = {v: scores(a, MEMBERSHIP, seed=i, common=COMMON) for i, (v, a) in enumerate(zip(views, ours, strict=True))}
    there = {
        v: scores(a, MEMBERSHIP, seed=9 + i, common=COMMON) for i, (v, a) in enumerate(zip(views, theirs, strict=True))
    }
    run = finished_run(folder / "here", here, MEMBERSHIP)
    finished_run(folder / "there", there, MEMBERSHIP, ids=ids)
    return run, against(run, BaselineConfig(run=str(folder / "there"), name="1.0"))


def outcome(run: Run, baseline: Baseline, rule: GateRule = LIMIT) -> tuple[str, str]:
    policy = GateConfig(rules=(rule,), baseline=BaselineConfig(run="x"))
    found = AttackFindings.from_json(run.read_json("results/attack.json"))
    verdict = judge(found, [], policy, baseline=baseline)
    return verdict.outcome, verdict.rules[0].reason


def test_the_strongest_is_held_against_the_strongest_and_both_are_named(tmp_path: Path) -> None:
    run, baseline = pair(tmp_path, (0.6, 0.75), (0.65, 0.55))
    (increase,) = baseline.strongest
    assert (increase.view, increase.against) == (LIRA, "rmia")
    assert increase.difference.value == pytest.approx(0.10, abs=0.03)
    decided, reason = outcome(run, baseline)
    assert decided == "fail"
    assert reason.startswith("NR lira on int8 (litert) against rmia on 1.0 has 0.")
    assert {one.view: one.against for one in baseline.each} == {RMIA: "rmia", LIRA: "lira"}


def test_a_rule_that_names_attacks_holds_each_against_itself(tmp_path: Path) -> None:
    run, baseline = pair(tmp_path, (0.6, 0.75), (0.6, 0.55))
    assert outcome(run, baseline, LIMIT.model_copy(update={"attacks": ("rmia",)}))[0] == "pass"
    assert outcome(run, baseline, LIMIT.model_copy(update={"attacks": ("lira",)}))[0] == "fail"


def test_the_same_records_are_paired_in_whatever_order_they_lie(tmp_path: Path) -> None:
    order = np.random.default_rng(5).permutation(N)
    values = {RMIA: scores(0.7, MEMBERSHIP, seed=1)}
    run = finished_run(tmp_path / "here", values, MEMBERSHIP)
    finished_run(tmp_path / "there", {RMIA: values[RMIA][order]}, MEMBERSHIP[order], ids=order.tolist())
    baseline = against(run, BaselineConfig(run=str(tmp_path / "there")))
    assert baseline.how == "paired, record by record"
    assert baseline.strongest[0].difference.value == 0.0
    assert abs(baseline.strongest[0].difference.high) < 0.01


def test_other_records_are_not_paired_and_the_reason_is_said(tmp_path: Path) -> None:
    _, baseline = pair(tmp_path, (0.7, 0.7), (0.7, 0.7), ids=range(5, N + 5))
    assert baseline.how.startswith("not paired: other records; the two audits count as independent (MOVER)")
    assert {one.difference.method for one in (*baseline.strongest, *baseline.each)} == {"mover"}


def test_pairing_shortens_the_interval_of_scores_that_move_together(tmp_path: Path) -> None:
    _, paired = pair(tmp_path / "a", (0.7, 0.6), (0.7, 0.6))
    _, apart = pair(tmp_path / "b", (0.7, 0.6), (0.7, 0.6), ids=range(5, N + 5))
    widths = [one.strongest[0].difference.high - one.strongest[0].difference.low for one in (paired, apart)]
    assert widths[0] < 0.6 * widths[1]


def test_a_report_is_a_baseline_whose_intervals_are_independent(tmp_path: Path) -> None:
    run, _ = pair(tmp_path, (0.7, 0.6), (0.7, 0.6))
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"attacks": run.read_json("results/attack.json")}))
    baseline = against(run, BaselineConfig(report=str(report)))
    assert baseline.how.startswith("not paired: a report holds no scores")
    assert baseline.strongest[0].difference.holds(0.0)


def test_a_view_that_the_baseline_lacks_is_open(tmp_path: Path) -> None:
    new = View("NR", "rmia", ("int4",), "litert")
    values = scores(0.5, MEMBERSHIP, seed=1)
    run = finished_run(tmp_path / "here", {RMIA: values, new: values}, MEMBERSHIP)
    finished_run(tmp_path / "there", {RMIA: values}, MEMBERSHIP)
    decided, reason = outcome(run, against(run, BaselineConfig(run=str(tmp_path / "there"))))
    assert decided == "inconclusive"
    assert reason == "1 of 2 results have no AUC difference from the baseline: NR rmia on int4 (litert)"


def test_a_baseline_whose_scores_are_gone_is_not_paired(tmp_path: Path) -> None:
    run, _ = pair(tmp_path, (0.7, 0.6), (0.7, 0.6))
    for array in (tmp_path / "there" / "populations.zarr" / "audit").iterdir():
        array.rename(tmp_path / array.name)
    baseline = against(run, BaselineConfig(run=str(tmp_path / "there")))
    assert baseline.how.startswith("not paired: ")
    assert baseline.strongest[0].difference.method == "mover"


def test_a_baseline_of_other_members_is_not_paired(tmp_path: Path) -> None:
    values = {RMIA: scores(0.5, MEMBERSHIP, seed=1)}
    run = finished_run(tmp_path / "here", values, MEMBERSHIP)
    finished_run(tmp_path / "there", values, 1 - MEMBERSHIP)
    baseline = against(run, BaselineConfig(run=str(tmp_path / "there")))
    assert "the same ids have other classes or another membership" in baseline.how


@pytest.mark.parametrize("place", [{"run": "gone"}, {"report": "gone.json"}, {"report": "broken.json"}])
def test_a_baseline_that_is_not_there_is_named_before_anything_runs(tmp_path: Path, place: dict[str, str]) -> None:
    (tmp_path / "broken.json").write_text("[")
    with pytest.raises(EdgeleakError) as caught:
        require_baseline(BaselineConfig(**{key: str(tmp_path / name) for key, name in place.items()}))
    assert caught.value.exit_code == 4
    assert next(iter(place.values())) in str(caught.value)


def test_a_baseline_that_was_not_attacked_is_refused(tmp_path: Path) -> None:
    with Run.open(tmp_path / "there", CONFIG):
        pass
    with pytest.raises(RunError, match="the stage 'attack' is missing"):
        require_baseline(BaselineConfig(run=str(tmp_path / "there")))


@pytest.mark.parametrize("place", [{"run": "here"}, {"report": "here/report.json"}])
def test_a_run_is_no_baseline_of_its_own(tmp_path: Path, place: dict[str, str]) -> None:
    run = finished_run(tmp_path / "here", {RMIA: scores(0.9, MEMBERSHIP, seed=1)}, MEMBERSHIP)
    baseline = BaselineConfig(**{key: str(tmp_path / name) for key, name in place.items()})
    with pytest.raises(ConfigError, match="the baseline is the run that is judged"):
        against(run, baseline)


def test_a_rule_against_a_baseline_that_was_not_read_is_open(tmp_path: Path) -> None:
    policy = GateConfig(rules=(LIMIT,), baseline=BaselineConfig(run=str(tmp_path)))
    assert judge(AttackFindings(), [], policy).outcome == "inconclusive"


def test_the_ends_of_an_independent_difference() -> None:
    ours, theirs = Estimate(0.7, 0.66, 0.73, 500, "delong"), Estimate(0.6, 0.57, 0.64, 400, "delong")
    found = independent_difference(ours, theirs)
    assert found.value == pytest.approx(0.1)
    assert found.low == pytest.approx(0.1 - math.hypot(0.04, 0.04))
    assert found.high == pytest.approx(0.1 + math.hypot(0.03, 0.03))
    assert (found.n, found.method) == (900, "mover")
    assert not independent_difference(ours, Estimate.unknown()).is_known


@pytest.mark.parametrize("is_paired", [True, False])
def test_nothing_is_found_between_two_audits_that_leak_alike(tmp_path: Path, is_paired: bool) -> None:
    """Of 20 pairs of audits of equal leakage, one interval may miss 0 by chance."""
    misses = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        membership = np.tile([1, 0], 150).astype(np.int64)
        common = rng.normal(size=300)
        here, there = (
            {view: scores(0.6, membership, seed=int(rng.integers(1 << 30)), common=common) for view in (RMIA, LIRA)}
            for _ in range(2)
        )
        run = finished_run(tmp_path / f"h{seed}", here, membership)
        finished_run(tmp_path / f"t{seed}", there, membership, ids=None if is_paired else range(1, 301))
        found = against(run, BaselineConfig(run=str(tmp_path / f"t{seed}")))
        misses += not found.strongest[0].simultaneous.holds(0.0)
    assert misses <= 4  # of 20 at 5%: more happens once in 400
