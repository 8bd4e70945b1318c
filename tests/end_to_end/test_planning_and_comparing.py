"""`plan`, `compare` and `runs` through the real command, on finished runs."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import get_args

import pytest

from harness.cli._plan import Prefer
from harness.compare.planner_result import PREFERENCES
from tests.end_to_end.conftest import Cli


@pytest.fixture
def run(answers_run: Path, tmp_path: Path) -> Path:
    """A finished run of one's own."""
    return Path(shutil.copytree(answers_run, tmp_path / "runs" / "answers"))


def test_the_options_prefer_what_a_plan_can_prefer() -> None:
    assert get_args(Prefer) == PREFERENCES


def test_a_plan_says_what_may_ship_and_leaves_its_files(
    run: Path, edgeleak: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    done = edgeleak("plan", run, "--max-auc", "0.99", "-q", cwd=run.parent.parent)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("pass: ")
    assert len(lines) <= 30
    assert max(map(len, lines[:-1])) <= 60
    plan = json.loads((run / "results" / "plan.json").read_text())
    assert plan["outcome"] == "pass"
    assert plan["planned"][0]["exhaustive"]
    picture = ET.parse(run / "results" / "plan.svg").getroot()  # noqa: S314 - our own file
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"


def test_the_exit_code_says_whether_a_set_passes(run: Path, edgeleak: Cli) -> None:
    shown = json.loads(edgeleak("plan", run, "--max-auc", "0.99", "-q", "--json").stdout)
    figures = [one["leakage"] for planned in shown["planned"] for one in planned["sets"]]
    leaky = [one for one in figures if one["low"] > 0.5]
    assert leaky, "the fixture's answers leak"
    # Between the ends of the narrowest claim no set is shown to pass, and not all are shown to fail.
    between = max(0.5, min(0.5 * (one["low"] + one["high"]) for one in figures))
    assert edgeleak("plan", run, "--max-auc", f"{between:.6f}", "-q").returncode == 2
    assert edgeleak("plan", run, "--max-auc", "nan").returncode == 4
    assert edgeleak("plan", run, "--variant", "typo").returncode == 4
    assert edgeleak("plan", run.parent).returncode == 4


def test_where_every_set_leaks_too_much_the_plan_fails(run: Path, edgeleak: Cli) -> None:
    # Only what surely leaks, so that every set is above the lowest limit that a policy may have.
    done = edgeleak("plan", run, "--variant", "original", "--max-auc", "0.5", "-q", "--json")
    (planned,) = json.loads(done.stdout)["planned"]
    assert [one["leakage"]["low"] > 0.5 for one in planned["sets"]] == [True]
    assert done.returncode == 1


def test_two_runs_are_compared_and_listed(run: Path, edgeleak: Cli) -> None:
    again = Path(shutil.copytree(run, run.parent / "again"))
    # 60 members and 60 non-members resolve no .05.
    assert edgeleak("compare", run, again, "--fail-on-increase").returncode == 2
    done = edgeleak("compare", run, again, "--fail-on-increase", "--tolerance", "0.2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "finds neither more nor less" in done.stdout.replace("\n", " ")
    node = json.loads(edgeleak("compare", run / "report.json", again, "--json").stdout)
    assert node["paired"] is None
    assert node["outcomes"] == ["pass", "pass"]
    listed = json.loads(edgeleak("runs", "list", run.parent, "--json").stdout)
    assert {Path(one["run"]).name for one in listed} == {"answers", "again"}
    assert edgeleak("runs", "prune", run.parent).returncode == 4
    named = edgeleak("runs", "prune", run.parent, "--keep", "1")
    assert "would be deleted" in named.stdout
    assert run.exists()
    assert again.exists()
    assert edgeleak("runs", "prune", run.parent, "--keep", "1", "--yes").returncode == 0
    assert len(list(run.parent.iterdir())) == 1


def test_what_cannot_be_compared_is_a_message_of_one_line(run: Path, tmp_path: Path, edgeleak: Cli) -> None:
    for arguments in (("compare", run, tmp_path / "none"), ("runs", "list", tmp_path / "none"), ("plan", tmp_path)):
        done = edgeleak(*arguments)
        assert done.returncode not in (0, 1, 2)
        assert "Traceback" not in done.stderr
        assert done.stderr.startswith("edgeleak: ")
