"""Pooled runs: misses of AUC 0.5 beside chance, read from the runs alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.compare.calibration import pool
from harness.errors import RunError
from tests.compare.finished_runs import INT8, PAIR, RMIA, WEAK, finished

NOTHING = dict.fromkeys((RMIA, INT8, WEAK, PAIR), 0.0)


def test_null_twins_miss_one_half_no_more_often_than_chance_allows(tmp_path: Path) -> None:
    folders = [tmp_path / f"null-{seed}" for seed in (1, 2, 3)]
    for seed, folder in enumerate(folders, start=1):
        finished(folder, NOTHING, seed=seed, null=True)
    pooled, runs = pool(folders)
    assert (pooled.audits, pooled.tests) == (3, 12)
    assert pooled.p_value > 0.05
    assert [run.folder for run in runs] == folders
    assert all(run.null and run.summary.attacks == 4 for run in runs)
    assert pooled.misses == sum(len(run.summary.missing) for run in runs)


def test_runs_that_leak_miss_one_half_more_often_than_chance_allows(tmp_path: Path) -> None:
    finished(tmp_path / "run", dict.fromkeys(NOTHING, 0.8))
    pooled, (run,) = pool([tmp_path / "run"])
    assert pooled.miss_share == 1.0
    assert pooled.p_value < 0.01
    assert set(run.summary.missing) == {view.key for view in NOTHING}
    assert run.to_json()["run"] == str(tmp_path / "run")


def test_null_twins_and_plain_runs_are_not_pooled_together(tmp_path: Path) -> None:
    finished(tmp_path / "plain", NOTHING)
    finished(tmp_path / "null", NOTHING, null=True)
    with pytest.raises(RunError, match="some of these runs are null twins and some are not"):
        pool([tmp_path / "plain", tmp_path / "null"])


def test_a_run_without_attacks_names_the_stage_that_is_missing(tmp_path: Path) -> None:
    finished(tmp_path / "run", NOTHING).forget("attack")
    with pytest.raises(RunError, match="the stage 'attack' is missing") as error:
        pool([tmp_path / "run"])
    assert error.value.hint == "run `edgeleak attack` first"


def test_a_run_whose_attacks_all_lacked_something_is_refused(tmp_path: Path) -> None:
    finished(tmp_path / "run", {})
    with pytest.raises(RunError, match="no attack has a result"):
        pool([tmp_path / "run"])


@pytest.mark.parametrize("damage", ["results", "scores", "membership"])
def test_what_is_damaged_or_missing_is_refused_with_its_path(tmp_path: Path, damage: str) -> None:
    folder = finished(tmp_path / "run", NOTHING).folder
    path = {
        "results": folder / "results" / "attack.json",
        "scores": folder / "scores.zarr" / RMIA.key,
        "membership": folder / "populations.zarr" / "audit" / "membership" / "target",
    }[damage]
    if damage == "results":
        path.write_text('{"results": [{"attack": "rmia"}]}')
    else:
        shutil.rmtree(path)
    with pytest.raises(RunError) as error:
        pool([folder])
    assert str(path) in str(error.value)
