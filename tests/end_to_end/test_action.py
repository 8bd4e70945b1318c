"""The steps of action.yml run as GitHub runs them: bash, in a folder of their own, on an audit of answers."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import junitparser
import pytest
import yaml

from tests.end_to_end.conftest import ANSWERS_OPTIONS, Cli

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
# What GitHub puts before a script of the shell `bash`.
SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
POLICY = """
[[rules]]
id = "never"
max = 0.501
"""


class Workflow:
    """A job that uses the action, in a folder of its own."""

    def __init__(self, folder: Path, **inputs: str) -> None:
        self.folder = folder
        self.inputs = {name: one.get("default", "") for name, one in ACTION["inputs"].items()} | inputs
        self.summary, self.output = folder / "summary.github", folder / "output.github"
        self.said: dict[str, str] = {}
        self.steps: dict[str, int | None] = {}

    def value(self, text: str) -> str:
        """A text with the expressions that stand for inputs, as GitHub fills them in."""
        return EXPRESSION.sub(lambda found: self.inputs[found[1].removeprefix("inputs.")], text)

    def run(self) -> None:
        """Run every step that is a script and is asked for, until one fails; those that always run then still do."""
        failed = False
        for step in ACTION["runs"]["steps"]:
            always = step.get("if") == "always()"
            if "run" not in step or "android-api != ''" in step.get("if", "") or (failed and not always):
                continue
            if "pip install" in step["run"]:
                continue  # this interpreter's folder, first on the path, has what it would install
            done = subprocess.run(
                [*SHELL, "-c", step["run"]],
                cwd=self.folder,
                env=self._environment(step.get("env", {})),
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            self.said[step["name"]] = done.stdout + done.stderr
            self.steps[step["name"]] = done.returncode
            failed = failed or done.returncode != 0

    def _environment(self, own: dict[str, str]) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "EDGELEAK_"))}
        return {
            **clean,
            "PATH": f"{self.folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            **{name: self.value(value) for name, value in own.items()},
        }

    @property
    def outputs(self) -> dict[str, str]:
        lines = self.output.read_text().splitlines() if self.output.exists() else []
        return dict(line.split("=", 1) for line in lines)

    def report(self) -> Any:
        return json.loads((self.folder / self.inputs["run"] / "report.json").read_text())


@pytest.fixture(scope="module")
def checkout(answers_run: Path, answers_file: Path, edgeleak: Cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with a configuration and policies; a cache brought back the run, so that the attacks are done."""
    folder = tmp_path_factory.mktemp("checkout") / "checkout"
    folder.mkdir()
    assert edgeleak("init", "audit.toml", "--answers", answers_file, *ANSWERS_OPTIONS, cwd=folder).returncode == 0
    shutil.copytree(answers_run, folder / "runs/ci")
    (folder / "lenient.toml").write_text(POLICY.replace("0.501", "0.999"))
    (folder / "policy.toml").write_text(POLICY)
    return folder


@pytest.fixture
def workflow(checkout: Path, tmp_path: Path) -> Workflow:
    return Workflow(Path(shutil.copytree(checkout, tmp_path / "checkout")))


def test_a_job_that_passes_has_every_output_and_a_summary(workflow: Workflow) -> None:
    workflow.inputs["policy"] = "lenient.toml"
    workflow.run()
    assert set(workflow.steps.values()) == {0}, workflow.said
    assert workflow.outputs == {
        "verdict": "pass", "report": "runs/ci/report.html", "junit": "runs/ci/junit.xml",
        "sarif": "runs/ci/gate.sarif", "summary": "runs/ci/summary.md",
    }  # fmt: skip
    assert all((workflow.folder / path).stat().st_size for name, path in workflow.outputs.items() if name != "verdict")
    assert workflow.summary.read_text() == (workflow.folder / "runs/ci/summary.md").read_text()
    assert "::error" not in workflow.said["Audit"]


def test_a_job_that_fails_names_the_line_of_the_rule_and_still_has_its_outputs(workflow: Workflow) -> None:
    workflow.inputs["policy"] = "policy.toml"
    workflow.run()
    assert workflow.steps["Audit"] == 1
    assert workflow.outputs["verdict"] == "fail"
    annotations = [line for line in workflow.said["Audit"].splitlines() if line.startswith("::")]
    assert annotations
    assert all(line.startswith("::error file=policy.toml,line=2,title=") for line in annotations)
    log = json.loads((workflow.folder / workflow.outputs["sarif"]).read_text())
    places = [one["locations"][0]["physicalLocation"] for one in log["runs"][0]["results"]]
    assert {(one["artifactLocation"]["uri"], one["region"]["startLine"]) for one in places} == {("policy.toml", 2)}
    cases = [
        case
        for suite in junitparser.JUnitXml.fromfile(str(workflow.folder / workflow.outputs["junit"]))
        for case in suite
    ]
    assert any(case.is_failure for case in cases)
    assert workflow.summary.read_text().count("## edgeleak: answers") == 1


def test_a_job_that_ends_in_an_error_has_no_verdict_of_an_earlier_one(workflow: Workflow) -> None:
    workflow.inputs["policy"] = "lenient.toml"
    workflow.run()
    workflow.output.unlink()
    (workflow.folder / "audit.toml").write_text("name = 'answers'\n[nonsense]\n")
    workflow.run()
    assert workflow.steps["Audit"] == 4
    assert workflow.outputs == {}
    assert not (workflow.folder / "runs/ci/junit.xml").exists()


def test_a_report_writes_no_output_of_its_own(workflow: Workflow) -> None:
    (workflow.folder / "runs/ci/report.json").write_text(json.dumps({"gate": {"outcome": "pass\nreport=evil"}}))
    step = next(one for one in ACTION["runs"]["steps"] if one.get("id") == "outputs")
    done = subprocess.run(
        [*SHELL, "-c", step["run"]],
        cwd=workflow.folder,
        env=workflow._environment(step["env"]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert workflow.outputs["verdict"] == ""
    assert workflow.outputs["report"] == "runs/ci/report.html"
