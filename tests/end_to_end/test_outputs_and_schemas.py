"""Every output of real runs is valid under the schema that is published for it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from harness.schemas import published
from tests.end_to_end.conftest import Cli
from tests.end_to_end.supplied import Supplied

pytestmark = pytest.mark.slow


def valid(name: str, text: str) -> dict[str, object]:
    """The JSON of a text that its schema accepts."""
    value: dict[str, object] = json.loads(text)
    problems = [
        f"{'/'.join(map(str, one.path))}: {one.message[:200]}"
        for one in Draft202012Validator(json.loads(published(name))).iter_errors(value)
    ]
    assert problems == []
    return value


@pytest.mark.parametrize("kind", ["finished", "supplied_run", "answers_run"])
def test_every_report_is_valid(request: pytest.FixtureRequest, kind: str) -> None:
    folder: Path = request.getfixturevalue(kind)
    report = valid("report", (folder / "report.json").read_text())
    assert report["gate"] is not None, "there is a verdict to hold against the schema"


def test_what_gate_and_report_print_is_valid(
    supplied: Supplied, supplied_run: Path, edgeleak: Cli, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(supplied_run, tmp_path / "run"))
    done = edgeleak("gate", supplied.toml, "--run", folder, "--json")
    assert done.returncode == 1, done.stderr
    assert valid("gate", done.stdout)["outcome"] == "fail"
    done = edgeleak("report", supplied.toml, "--run", folder, "--json")
    assert valid("report", done.stdout)["name"] == "supplied"


def test_what_plan_and_compare_print_is_valid(supplied_run: Path, edgeleak: Cli, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(supplied_run, tmp_path / "run"))
    done = edgeleak("plan", folder, "--max-auc", "0.9", "--json")
    assert done.returncode in (0, 1, 2), done.stderr
    assert valid("plan", done.stdout)["planned"]
    done = edgeleak("compare", supplied_run, folder, "--json")
    assert done.returncode == 0, done.stderr
    assert valid("compare", done.stdout)["changes"]
