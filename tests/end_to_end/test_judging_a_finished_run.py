"""The verbs gate and report read what was found: no data set, no array, no library that computes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import ANSWERS_OPTIONS, Cli
from tests.end_to_end.supplied import Supplied

# Whatever of these a command imports, it fails with the name.
READING_RESULTS_ONLY = """
import sys

BLOCKED = ("harness.data.datasets", "harness.attacks", "zarr", "sklearn", "torch", "grpc", "scipy", "joblib")


class Blocked:
    def find_spec(self, name, path=None, target=None):
        if any(name == one or name.startswith(one + ".") for one in BLOCKED):
            raise ModuleNotFoundError(f"{name} was imported to judge a finished run", name=name)


sys.meta_path.insert(0, Blocked())
from harness.cli import main

main()
"""


def judged(verb: str, *args: str | Path) -> subprocess.CompletedProcess[str]:
    asked = [sys.executable, "-c", READING_RESULTS_ONLY, verb, *map(str, args)]
    return subprocess.run(asked, capture_output=True, text=True, timeout=120, check=False)


def rejudged(config: Path, run: Path, *, code: int) -> None:
    """Both verbs on a copy of a finished run without its arrays; the report is the same, and so is the verdict."""
    before = {name: json.loads((run / name).read_text()) for name in ("report.json", "results/gate.json")}
    page = (run / "report.html").read_text()
    for store in ("answers", "populations", "fits", "scores"):
        shutil.rmtree(run / f"{store}.zarr", ignore_errors=True)
    for name in ("report.json", "report.html", "results/gate.json"):
        (run / name).unlink()
    done = judged("gate", config, "--run", run, "--json")
    assert done.returncode == code, done.stderr
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert told.pop("schema") == "edgeleak.gate/1"
    assert _unplaced(told) == _unplaced(before["results/gate.json"])
    done = judged("report", config, "--run", run)
    assert done.returncode == 0, done.stderr
    again = json.loads((run / "report.json").read_text())
    first = before["report.json"]
    again["gate"], first["gate"] = _unplaced(again["gate"]), _unplaced(first["gate"])
    changed = {key for key, value in again.items() if value != first[key]}
    assert changed <= {"timings", "config"}, "of the configuration, where its files lie"
    assert _stable((run / "report.html").read_text()) == _stable(page)


def _unplaced(verdict: dict[str, Any]) -> dict[str, Any]:
    """The verdict without the file and the lines of its rules."""
    rules = [{key: value for key, value in rule.items() if key not in ("file", "line")} for rule in verdict["rules"]]
    return verdict | {"rules": rules, "policy": ""}


def _stable(page: str) -> list[str]:
    """The lines of a page that tell neither how long a stage took nor where the supplied files and the policy lie."""
    # Of a rule only its place goes: the row is the same without it.
    placeless = re.sub(r" <small>[^<]*, line \d+</small>", "", page)
    return [line for line in placeless.splitlines() if not re.search(r"\d m?s</td>|&#34;/|audit\.toml|Judged by", line)]


def test_a_run_of_answers_is_judged_when_its_file_is_gone(
    answers_run: Path, answers_file: Path, edgeleak: Cli, tmp_path: Path
) -> None:
    file = Path(shutil.copy(answers_file, tmp_path / "answers.npz"))
    config = tmp_path / "audit.toml"
    assert edgeleak("init", config, "--answers", file, *ANSWERS_OPTIONS, "--max-auc", "0.99").returncode == 0
    file.unlink()
    rejudged(config, Path(shutil.copytree(answers_run, tmp_path / "run")), code=0)


@pytest.mark.slow
def test_a_run_of_supplied_files_is_judged_when_they_are_gone(
    supplied_run: Path, supplied: Supplied, tmp_path: Path
) -> None:
    config = Path(shutil.copy(supplied.toml, tmp_path / "audit.toml"))  # the files that it names are not beside it
    rejudged(config, Path(shutil.copytree(supplied_run, tmp_path / "run")), code=1)


@pytest.mark.slow
def test_a_run_of_a_trained_network_is_judged_without_its_data(finished: Path, small: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    for folder in ("models", "artifacts"):
        shutil.rmtree(run / folder)
    rejudged(small, run, code=0)


@pytest.mark.slow
def test_a_changed_rule_changes_the_verdict_of_a_finished_run(
    supplied_run: Path, supplied: Supplied, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(supplied_run, tmp_path / "run"))
    lenient = tmp_path / "lenient.toml"
    lenient.write_text(supplied.toml.read_text().replace("max = 0.6", "max = 0.999"))
    assert judged("gate", lenient, "--run", run).returncode == 0
    assert judged("gate", supplied.toml, "--run", run).returncode == 1


@pytest.mark.parametrize("name", ["results/attack.json", "results/curves.json", "data.json"])
def test_a_missing_result_is_named(
    answers_run: Path, answers_file: Path, edgeleak: Cli, tmp_path: Path, name: str
) -> None:
    config = tmp_path / "audit.toml"
    assert edgeleak("init", config, "--answers", answers_file, *ANSWERS_OPTIONS).returncode == 0
    run = Path(shutil.copytree(answers_run, tmp_path / "run"))
    (run / name).unlink()
    done = judged("report", config, "--run", run)
    assert done.returncode == 4
    (line,) = done.stderr.splitlines()
    assert f"{run / name}: missing" in line
