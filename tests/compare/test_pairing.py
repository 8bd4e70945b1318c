"""Several runs view by view: what all of them have, on the same records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness import stats
from harness.compare.pairing import PairedRuns
from harness.errors import RunError
from harness.results import AttackFindings
from harness.store import Run
from tests.compare.finished_runs import FPR, INT8, MEMBERSHIP, PAIR, RMIA, TUNED, WEAK, finished, result, scores


def two(folder: Path) -> list[Run]:
    first = finished(folder / "1", {RMIA: 1.0, WEAK: 0.5, PAIR: 0.7, TUNED: 0.6}, seed=1)
    return [first, finished(folder / "2", {PAIR: 0.7, RMIA: 1.0, INT8: 1.0, TUNED: 0.6}, seed=2)]


def test_only_views_that_every_run_has_are_compared(tmp_path: Path) -> None:
    runs = PairedRuns.read(two(tmp_path))
    assert runs.views == (RMIA, PAIR, TUNED)
    assert [runs.is_control(view) for view in runs.views] == [False, False, True]


def test_results_and_scores_are_those_of_the_runs(tmp_path: Path) -> None:
    runs = PairedRuns.read(two(tmp_path))
    for seed, values, estimate, tpr in zip((1, 2), runs.scores(RMIA), runs.auc(RMIA), runs.tpr(RMIA, FPR), strict=True):
        expected = scores(1.0, 100 * seed + (0 if seed == 1 else 1))
        assert np.array_equal(values, expected)
        assert estimate == stats.auc(expected, MEMBERSHIP)
        assert tpr == stats.tpr_at_fpr(expected, FPR, MEMBERSHIP)


def test_differences_are_paired_on_each_runs_records(tmp_path: Path) -> None:
    runs = PairedRuns.read(two(tmp_path))
    for own, a, b in zip(runs.differences(PAIR, RMIA, level=0.99), runs.scores(PAIR), runs.scores(RMIA), strict=True):
        assert own == stats.auc_difference(a, b, MEMBERSHIP, level=0.99)


def test_the_best_view_is_the_shadows_choice(tmp_path: Path) -> None:
    shifts = {RMIA: 2.0, WEAK: 0.1, INT8: 0.1}
    run = finished(tmp_path / "run", shifts, shadow_auc={RMIA: 0.6, WEAK: 0.7})
    runs = PairedRuns.read([run])
    assert runs.best([RMIA, WEAK, INT8]) == WEAK  # though RMIA does better on the scored records
    assert runs.best([INT8, RMIA]) == RMIA  # INT8 learned nothing on the shadows


def test_scores_of_another_stage_are_read_from_its_place(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", {RMIA: 1.0})
    other = scores(2.0, 7)
    run.arrays.write_scores("elsewhere/" + RMIA.key, other)
    runs = PairedRuns([run], [AttackFindings((result(RMIA, other),))], place="elsewhere/")
    assert np.array_equal(runs.scores(RMIA)[0], other)


def test_null_twins_and_plain_runs_are_not_compared(tmp_path: Path) -> None:
    runs = [finished(tmp_path / "1", {RMIA: 1.0}), finished(tmp_path / "2", {RMIA: 1.0}, null=True)]
    with pytest.raises(RunError, match="some of these runs are null twins and some are not"):
        PairedRuns.read(runs)
    with pytest.raises(RunError, match="no runs to compare"):
        PairedRuns.read([])


def test_a_run_that_is_not_finished_is_refused(tmp_path: Path) -> None:
    run = finished(tmp_path / "1", {RMIA: 1.0})
    run.forget("attack")
    with pytest.raises(RunError, match="the stage 'attack' is missing"):
        PairedRuns.read([run])
