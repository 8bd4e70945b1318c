"""Two audits beside each other: paired where they share records, apart where not; intervals hold at once."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.audit.findings import attack_findings
from harness.compare.two_runs import Side, compare
from harness.compare.two_runs_result import direction
from harness.errors import EdgeleakError, InputError, RunError
from harness.report import Report
from harness.subject import AUDIT, TARGET
from harness.types import FloatArray, IntArray, View
from tests.compare.finished_runs import FPR, INT8, MEMBERSHIP, PAIR, RMIA, TUNED, N, finished, result

RATE = repr(FPR)


def made(
    folder: Path, of_view: dict[View, FloatArray], *, ids: IntArray | None = None, membership: IntArray = MEMBERSHIP
) -> Side:
    """A finished run with these scores and ids."""
    run = finished(folder, dict.fromkeys(of_view, 0.0))
    own = np.arange(2 * N) if ids is None else ids
    run.arrays.write_population(AUDIT, labels=np.zeros(2 * N, dtype=np.int64), ids=own)
    run.arrays.write_membership(AUDIT, TARGET, membership=membership, training=membership)
    findings = attack_findings(run)
    for view, values in of_view.items():
        run.arrays.write_scores(view.key, values)
    results = tuple(result(view, values) for view, values in of_view.items())
    run.write_json("results/attack.json", replace(findings, results=results).to_json())
    return Side.read(folder)


def scored(shift: float, seed: int = 0) -> FloatArray:
    return np.asarray(np.random.default_rng(seed).normal(size=2 * N) + shift * MEMBERSHIP)


def as_report(side: Side, path: Path) -> Side:
    """The same audit as its report alone."""
    assert side.run is not None
    report = Report(name=side.name, created=side.created, attacks=attack_findings(side.run))
    path.write_text(json.dumps(report.to_json()))
    return Side.read(path)


def test_the_same_records_are_paired_and_a_small_change_is_found(tmp_path: Path) -> None:
    before, noise = scored(0.5), np.random.default_rng(9).normal(scale=0.1, size=2 * N)
    a = made(tmp_path / "a", {RMIA: before})
    b = made(tmp_path / "b", {RMIA: before + noise + 0.3 * MEMBERSHIP})
    found = compare(a, b)
    assert found.paired == (N, N)
    (change,) = found.changes
    assert direction(change.auc) == "more"
    assert found.strongest is not None
    assert found.strongest.change.low > 0
    apart = compare(as_report(a, tmp_path / "a.json"), b)
    assert apart.paired is None
    assert "independent" in apart.how
    # What two audits of other records could not resolve, the pairs do.
    width = change.auc.high - change.auc.low
    assert apart.changes[0].auc.high - apart.changes[0].auc.low > 2 * width


def test_runs_in_another_order_are_paired_by_id(tmp_path: Path) -> None:
    scores, order = scored(0.5), np.random.default_rng(1).permutation(2 * N)
    a = made(tmp_path / "a", {RMIA: scores})
    b = made(tmp_path / "b", {RMIA: scores[order]}, ids=order, membership=MEMBERSHIP[order])
    found = compare(a, b)
    assert found.paired == (N, N)
    assert found.changes[0].auc.value == pytest.approx(0.0, abs=1e-12)


def test_records_that_both_have_are_paired_where_these_are_not_all(tmp_path: Path) -> None:
    a = made(tmp_path / "a", {RMIA: scored(0.5)})
    shared = np.concatenate([np.arange(N // 2), np.arange(N, 2 * N)])
    ids = np.full(2 * N, -1)
    ids[shared] = shared
    ids[ids < 0] = 10_000 + np.arange((ids < 0).sum())
    b = made(tmp_path / "b", {RMIA: scored(0.5)}, ids=ids)
    found = compare(a, b)
    assert found.paired == (N // 2, N)
    assert f"{N + N // 2} records that both audited" in found.how


def test_records_with_another_membership_are_not_paired(tmp_path: Path) -> None:
    a = made(tmp_path / "a", {RMIA: scored(0.5)})
    b = made(tmp_path / "b", {RMIA: scored(0.5)}, membership=1 - MEMBERSHIP)
    found = compare(a, b)
    assert found.paired is None
    assert "membership" in found.how


def test_what_only_one_has_is_listed(tmp_path: Path) -> None:
    a = made(tmp_path / "a", {RMIA: scored(0.5), INT8: scored(0.4, 1)})
    b = made(tmp_path / "b", {RMIA: scored(0.5), PAIR: scored(0.4, 2)})
    found = compare(a, b)
    assert found.only_before == (INT8,)
    assert found.only_after == (PAIR,)
    assert [one.view for one in found.changes] == [RMIA]


def test_no_change_is_found_where_nothing_changed_in_95_of_100_pairs(tmp_path: Path) -> None:
    pairs, wrong = 60, 0
    a, b = (made(tmp_path / name, {RMIA: scored(0), INT8: scored(0)}) for name in "ab")
    for seed in range(pairs):
        base = scored(0.5, 1000 + seed)
        for side in (a, b):
            assert side.run is not None
            for view in (RMIA, INT8):
                noise = np.random.default_rng([seed, side is a, view is RMIA]).normal(size=2 * N)
                side.run.arrays.write_scores(view.key, base + noise)
        found = compare(a, b, seed=seed)
        figures = [one for change in found.changes for one in (change.auc, *change.tpr.values())]
        assert found.strongest is not None
        wrong += any(direction(one) != "not resolved" for one in (*figures, found.strongest.change))
    print(f"{wrong} of {pairs} pairs without a change have one")
    assert wrong / pairs <= 0.05


def test_a_true_positive_rate_is_compared_on_the_same_records(tmp_path: Path) -> None:
    a = made(tmp_path / "a", {RMIA: scored(0.0)})
    b = made(tmp_path / "b", {RMIA: scored(2.0)})
    change = compare(a, b).changes[0].tpr[RATE]
    assert change.low > 0.2
    assert change.low <= change.value <= change.high


def test_the_exit_code_reports_and_fails_only_when_asked(tmp_path: Path) -> None:
    a = made(tmp_path / "a", {RMIA: scored(0.2)})
    same = made(tmp_path / "same", {RMIA: scored(0.2)})
    worse = made(tmp_path / "worse", {RMIA: scored(1.5)})
    unsure = as_report(same, tmp_path / "same.json")
    assert compare(a, worse).exit_code(fail_on_increase=False, tolerance=0.05) == 0
    assert compare(a, worse).exit_code(fail_on_increase=True, tolerance=0.05) == 1
    assert compare(a, same).exit_code(fail_on_increase=True, tolerance=0.05) == 0
    assert compare(unsure, a).exit_code(fail_on_increase=True, tolerance=0.01) == 2


def test_a_control_that_leaks_more_is_no_increase(tmp_path: Path) -> None:
    a = made(tmp_path / "a", {RMIA: scored(0.2), TUNED: scored(0.2, 1)})
    b = made(tmp_path / "b", {RMIA: scored(0.2), TUNED: scored(1.5, 1)})
    found = compare(a, b)
    assert direction(found.changes[1].auc) == "more"
    assert found.increases == ()
    assert found.exit_code(fail_on_increase=True, tolerance=0.05) == 0


def test_the_json_holds_no_number_that_is_not_finite(tmp_path: Path) -> None:
    a = made(tmp_path / "a", {RMIA: scored(0.2)})
    node = json.loads(json.dumps(compare(a, a).to_json(), allow_nan=False))
    assert node["schema"] == "edgeleak.comparison/1"
    assert node["changes"][0]["leaks"] == "not resolved"
    assert math.isfinite(node["strongest"]["change"]["value"])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"attacks": 3}', "\x00"])
def test_what_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"report\.json"):
        Side.read(path)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        Side.read(tmp_path / "none")
    with pytest.raises(RunError, match="not a run"):
        Side.read(tmp_path)
    with pytest.raises(EdgeleakError):
        Side.read(tmp_path / "none.json")
