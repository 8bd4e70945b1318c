"""A study on real parts: two audits of real models on a real agent, the mistake, the page, and a second run of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.config import load
from harness.store import Run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("study")]

TINY = """
name = "tiny"

[data]
members = 250
nonmembers = 250
population = 60
shadow_pool = 500

[model]
width = 4

[training]
epochs = 6
shadows = 1
augment = true

[compression]
variants = ["original", "finetuned", "int8", "int8-dynamic"]
finetune_epochs = 1

[export]
runtimes = ["litert"]

[attack]
names = ["confidence", "sr2-rf", "mr-gbt", "lira", "lira-joint"]
fprs = [0.05]

[mis]
enabled = false

[study]
seeds = [1]
null = [1]
confounded = [1]
"""


def study(*args: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the study in a process of its own, as a user would."""
    command = [sys.executable, "-m", "studies.compleak", *map(str, args)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=500, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the study was done."""
    place = tmp_path_factory.mktemp("study")
    (place / "tiny.toml").write_text(TINY)
    done = study("tiny.toml", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "seed 1, null twin: collect" in done.stderr
    return place


@pytest.fixture(scope="module")
def findings(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "runs" / "tiny-study" / "study.json").read_text())
    return loaded


def test_the_mistake_shows_members_alone_through_the_transform_and_anew_to_each_file(folder: Path) -> None:
    place = folder / "runs" / "tiny-study" / "seed-1"
    run = Run(place, Run.config_of(place))
    member = run.arrays.read_membership() == 1
    honest, mistaken = (
        {v: run.arrays.read_answers(name, f"target/{v}/litert") for v in ("original", "int8-dynamic")}
        for name in ("audit", "audit-confounded")
    )
    for variant, answers in honest.items():
        same = (answers == mistaken[variant]).all(axis=1)
        assert same[~member].all()
        assert same[member].mean() < 0.2  # the identity is one of eighteen transforms
    # Members move apart between two files, since each pass draws anew; non-members do not.
    apart = np.abs(mistaken["original"] - mistaken["int8-dynamic"]).max(axis=1)
    assert np.median(apart[member]) > 3 * np.median(apart[~member])


def test_both_protocols_are_measured(findings: dict[str, Any]) -> None:
    pair = next(r for r in findings["confounded"] if r["adversary"] == "SR" and r["variants"] == ["original", "int8"])
    for protocol in ("honest", "mistaken", "null_honest", "null_mistaken"):
        assert pair[protocol]["low"] <= pair[protocol]["value"] <= pair[protocol]["high"]
    assert pair["null_honest"]["low"] < 0.5 < pair["null_honest"]["high"]


def test_controls_find_nothing(findings: dict[str, Any]) -> None:
    (null,) = findings["null"]
    assert null["missed_corrected"] == 0
    for row in findings["controls"]["permuted"]:
        assert abs(row["auc"]["value"] - 0.5) < 0.12, row
    copy = next(r for r in findings["controls"]["copy"] if r["adversary"] == "SR")
    assert copy["difference"]["low"] < 0, "a second copy of the original leaks more than the original"


def test_every_number_has_its_interval(findings: dict[str, Any]) -> None:
    assert {v["adversary"] for v in findings["views"]} == {"NR", "SR", "MR"}
    for row in findings["views"]:
        assert row["auc"]["low"] <= row["auc"]["value"] <= row["auc"]["high"]
        assert row["auc"]["n"] == 500
    assert {c["question"] for c in findings["comparisons"]} >= {"variant alone", "SR", "SR beyond fine-tuning", "MR"}


def test_the_page_shows_tables_and_pictures(folder: Path, findings: dict[str, Any]) -> None:
    page = (folder / "docs" / "study-tiny.md").read_text()
    for title in ("In short", "The files", "Comparisons", "Controls", "One mistake, measured"):
        assert f"## {title}" in page
    pictures = re.findall(r"\]\(([^)]+\.svg)\)", page)
    assert len(pictures) == 2
    for name in pictures:
        assert (folder / "docs" / name).read_text().count("<path") > 10
    pair = next(v for v in findings["views"] if v["attack"] == "sr2-rf" and "int8" in v["variants"])
    assert f"{pair['auc']['value']:.3f} [{pair['auc']['low']:.3f}, {pair['auc']['high']:.3f}]" in page


def test_a_second_time_nothing_is_done_again(folder: Path) -> None:
    page = folder / "docs" / "study-tiny.md"
    before = page.read_text()
    marks = {p: p.stat().st_mtime_ns for p in folder.rglob("stages/*.json")}
    assert len(marks) == 4 + 1 + 1 + 4 + 1  # the audit's, its controls, its mistake; the null twin's and its mistake
    done = study("tiny.toml", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["schema"] == "edgeleak.study/1"
    assert page.read_text() == before
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("stages/*.json")} == marks


def test_a_seed_that_is_not_studied_is_refused_before_anything_begins(tmp_path: Path) -> None:
    path = tmp_path / "audit.toml"
    path.write_text(TINY.replace("null = [1]", "null = [2]"))
    done = study(path, cwd=tmp_path)
    assert done.returncode == 4
    assert "[study]: null: seed 2 is not among the seeds" in done.stderr
    assert list(tmp_path.iterdir()) == [path]


def test_an_audit_accepts_the_file_of_a_study(folder: Path) -> None:
    assert load(folder / "tiny.toml").name == "tiny"
