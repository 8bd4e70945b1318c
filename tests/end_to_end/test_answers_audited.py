"""An audit of answers that exist already: one file in an empty folder, a verdict, a report, and every way to resume."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.attacks.bad_arrays import CLASSES, N, full_table, write
from tests.end_to_end.conftest import ANSWERS_OPTIONS, Cli, command, start, wait_for

RULE = ("--max-auc", "0.99")
# Members, and non-members.
SIDE = N // 2


def arrays_of(run: Path, name: str) -> dict[str, bytes]:
    """Every file of an array store, by its place."""
    root = run / name
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def without_times(report: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in report.items() if key not in ("created", "timings")}


def test_one_file_gives_a_verdict_and_a_report(answers_run: Path) -> None:
    report = json.loads((answers_run / "report.json").read_text())
    assert report["subject"] == "answers"
    assert report["gate"]["outcome"] == "pass"
    assert report["device"] is None
    assert report["data"]["members"] == report["data"]["nonmembers"] == SIDE
    rows = report["attacks"]["results"]
    assert {row["adversary"] for row in rows} == {"NR", "SR", "MR"}
    assert {row["attack"] for row in rows} == {"confidence", "rmia", "sr2-lr", "mr-logistic"}
    assert {row["runtime"] for row in rows} == {None}
    for row in rows:
        assert row["trained_on"] == "shadows"
        assert row["auc"]["low"] <= row["auc"]["value"] <= row["auc"]["high"]
    accuracies = {row["variant"]: row["accuracy_members"] for row in report["artifacts"]}
    assert set(accuracies) == {key.rpartition("/")[2] for key in full_table() if key.startswith("target/confidences/")}
    assert all(accuracy["n"] == SIDE for accuracy in accuracies.values())
    page = (answers_run / "report.html").read_text()
    assert page.count("<svg") >= 1
    assert "answers.npz" in page


def test_the_run_of_a_file_of_answers_is_private_and_holds_no_answers_of_its_own(answers_run: Path) -> None:
    assert answers_run.stat().st_mode & 0o077 == 0
    assert not (answers_run / "answers.zarr").exists()
    assert sorted(path.name for path in answers_run.parent.parent.iterdir()) == ["answers.npz", "runs"]


@pytest.mark.parametrize(
    ("rule", "code", "outcome"),
    [(("--max-auc", "0.51"), 1, "fail"), ((), 2, "inconclusive"), (("--max-auc", "0.99"), 0, "pass")],
    ids=["a strict rule", "no rule", "a lenient rule"],
)
def test_the_exit_code_is_the_verdict_and_a_changed_rule_takes_effect_on_the_same_run(
    answers_run: Path, answers_file: Path, edgeleak: Cli, tmp_path: Path, rule: tuple[str, ...], code: int, outcome: str
) -> None:
    run = Path(shutil.copytree(answers_run, tmp_path / "run"))
    fits = {path: path.stat().st_mtime_ns for path in (run / "fits.zarr").rglob("zarr.json")}
    done = edgeleak("audit", answers_file, *ANSWERS_OPTIONS, *rule, "--run", run, "--json", "-q")
    assert done.returncode == code, done.stderr
    assert done.stderr == ""
    assert json.loads(done.stdout)["gate"]["outcome"] == outcome
    assert {path: path.stat().st_mtime_ns for path in fits} == fits, "attacks that are done are not done again"


def test_the_same_command_resumes_from_another_folder(
    answers_run: Path, answers_file: Path, edgeleak: Cli, tmp_path: Path
) -> None:
    """A run is bound to the content of its file, and not to where the file lies."""
    run, moved = Path(shutil.copytree(answers_run, tmp_path / "run")), tmp_path / "answers.npz"
    shutil.copy(answers_file, moved)
    done = edgeleak("audit", moved, *ANSWERS_OPTIONS, *RULE, "--run", run, "--json")
    assert done.returncode == 0, done.stderr
    again, first = json.loads(done.stdout), json.loads((answers_run / "report.json").read_text())
    assert again["attacks"] == first["attacks"]
    assert again["created"] == first["created"]


@pytest.mark.slow
def test_a_killed_attack_resumes_to_the_same_bytes(answers_run: Path, answers_file: Path, tmp_path: Path) -> None:
    asked = ("audit", answers_file, *ANSWERS_OPTIONS, *RULE, "--run", tmp_path / "run")
    run = tmp_path / "run"
    running = start(*asked)
    wait_for(lambda: len(list((run / "fits.zarr").rglob("c/0"))) >= 2)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate(timeout=60)
    assert running.returncode == -signal.SIGKILL
    assert not (run / "stages" / "attack.json").exists()
    fits = {path: path.read_bytes() for path in (run / "fits.zarr").rglob("c/0")}
    assert 2 <= len(fits) < len(list((answers_run / "fits.zarr").rglob("c/0")))

    done = subprocess.run(command(*asked), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("results/attack.json", "results/curves.json", "results/gate.json", "data.json"):
        assert (run / name).read_bytes() == (answers_run / name).read_bytes(), name
    assert arrays_of(run, "scores.zarr") == arrays_of(answers_run, "scores.zarr")
    assert arrays_of(run, "fits.zarr") == arrays_of(answers_run, "fits.zarr")
    reports = (json.loads((one / "report.json").read_text()) for one in (run, answers_run))
    assert without_times(next(reports)) == without_times(next(reports))


def test_a_changed_file_is_refused_with_the_run_that_it_was_changed_under(
    answers_run: Path, answers_file: Path, edgeleak: Cli, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(answers_run, tmp_path / "run"))
    (run / "stages" / "attack.json").unlink()
    table = full_table()
    table["target/confidences/original"] = np.roll(table["target/confidences/original"], 1, axis=0)
    changed = write(tmp_path / "answers.npz", table)
    done = edgeleak("audit", changed, *ANSWERS_OPTIONS, *RULE, "--run", run)
    assert done.returncode == 4
    (line,) = done.stderr.splitlines()
    assert f"{changed}: has changed since {run} was begun with it" in line
    assert "--fresh" in line
    assert arrays_of(run, "scores.zarr") == arrays_of(answers_run, "scores.zarr")


def test_a_changed_file_gets_no_verdict_of_the_one_that_was_audited(
    answers_run: Path, answers_file: Path, edgeleak: Cli, tmp_path: Path
) -> None:
    """Also where everything is done: a pass of last week's file would be shown for today's."""
    run = Path(shutil.copytree(answers_run, tmp_path / "run"))
    table = full_table()
    table["target/confidences/original"] = np.roll(table["target/confidences/original"], 1, axis=0)
    done = edgeleak("audit", write(tmp_path / "answers.npz", table), *ANSWERS_OPTIONS, *RULE, "--run", run)
    assert done.returncode == 4
    assert f"has changed since {run} was begun with it" in done.stderr
    assert done.stdout == ""


@pytest.mark.slow
def test_the_stages_can_be_done_one_by_one(answers_file: Path, edgeleak: Cli, tmp_path: Path) -> None:
    config = tmp_path / "audit.toml"
    attacks = ("--attack", "confidence", "--attack", "sr2-lr")
    done = edgeleak("init", config, "--answers", answers_file, *attacks, "--max-auc", "0.51")
    assert done.returncode == 0, done.stderr
    run = tmp_path / "run"
    for stage, code, shown in (("attack", 0, "attack: done, in "), ("gate", 1, "FAIL "), ("report", 0, "Fail")):
        done = edgeleak(stage, config, "--run", run, "-q")
        assert done.returncode == code, done.stderr
        assert shown in done.stdout
    assert json.loads((run / "report.json").read_text())["gate"]["outcome"] == "fail"


@pytest.mark.slow
def test_attack_gate_and_report_take_the_file_itself(edgeleak: Cli, tmp_path: Path) -> None:
    """One variant, few records and no shadows, so that the default set of attacks is quick: no option names others."""
    rows, keys = np.arange(0, N, 2), ("labels", "membership", "confidences/original")
    table = {f"target/{key}": full_table()[f"target/{key}"][rows] for key in keys}
    file, run = write(tmp_path / "answers.npz", table), tmp_path / "run"
    done = edgeleak("attack", file, "--run", run, "-q")
    assert done.returncode == 0, done.stderr
    done = edgeleak("gate", file, "--run", run, "-q")
    assert done.returncode == 2, "without a rule nothing is passed"
    assert edgeleak("report", file, "--run", run, "-q").returncode == 0
    assert (run / "report.html").exists()


@pytest.mark.parametrize("stage", ["train", "collect"])
def test_a_stage_that_answers_do_not_have_is_refused_with_those_that_they_have(
    answers_file: Path, edgeleak: Cli, tmp_path: Path, stage: str
) -> None:
    done = edgeleak(stage, answers_file, "--run", tmp_path / "run")
    assert done.returncode == 4
    (line,) = done.stderr.splitlines()
    assert f"an audit of answers has no stage '{stage}'" in line
    assert "attack, gate, report" in line
    assert not (tmp_path / "run" / "stages").exists()


def test_a_null_twin_of_answers_is_refused(answers_file: Path, edgeleak: Cli, tmp_path: Path) -> None:
    """Nobody trained it: its calibration would take the place of the rules."""
    done = edgeleak("audit", answers_file, *ANSWERS_OPTIONS, *RULE, "--null", "--run", tmp_path / "run")
    assert done.returncode == 4
    assert done.stderr == (
        "edgeleak: --null: only an audit that trains its models has a null twin (leave it out)\n"
    )  # fmt: skip
    assert not (tmp_path / "run").exists()


def test_a_variant_whose_name_leads_out_of_the_run_is_refused(edgeleak: Cli, tmp_path: Path) -> None:
    """Its scores would take the place of whatever lies there."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "thesis.txt").write_text("years of work")
    table = full_table()
    keys = [key for key in table if key.endswith("/confidences/int8-ptq")]
    assert len(keys) > 1
    path = "../../../../../victim"
    renamed = {key.replace("/int8-ptq", f"/{path}"): value for key, value in table.items() if "sensitivity" not in key}
    done = edgeleak("audit", write(tmp_path / "answers.npz", renamed), *ANSWERS_OPTIONS, cwd=tmp_path)
    assert done.returncode == 4
    (line,) = done.stderr.splitlines()
    assert f"variant '{path}' cannot name a place in a run" in line
    assert (victim / "thesis.txt").read_text() == "years of work"
    assert not (tmp_path / "runs").exists()


def test_init_writes_what_it_found_in_the_answers(answers_file: Path, edgeleak: Cli, tmp_path: Path) -> None:
    config = tmp_path / "audit.toml"
    done = edgeleak("init", config, "--answers", answers_file, *ANSWERS_OPTIONS, *RULE)
    assert done.returncode == 0, done.stderr
    text = config.read_text()
    assert f"# {SIDE} members and {SIDE} non-members, {CLASSES} classes, 2 shadow models" in text
    assert "# confidences: original, " in text
    assert "max = 0.99" in text
