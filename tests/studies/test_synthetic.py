"""The synthetic study as a whole: it resumes, and the number of processes changes no byte of its page."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from studies.mis_synthetic.predictions import GENERATORS
from studies.mis_synthetic.study import Settings, conduct


class Finished(NamedTuple):
    folder: Path
    findings: dict[str, Any]
    files: tuple[Path, ...]


def silent(_label: str, _done: int, _total: int) -> None:
    """No progress shown."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """One finished study; nobody writes into it but the test that resumes it."""
    folder = tmp_path_factory.mktemp("synthetic")
    findings, files = conduct(
        folder / "run", out=folder / "docs" / "page.md", settings=Settings.quick(1), jobs=1, progress=silent
    )
    return Finished(folder, findings, files)


@pytest.mark.slow
def test_rows_hold_every_quantizer_law_size_and_learner(finished: Finished) -> None:
    findings = finished.findings
    settings = findings["settings"]
    rows = {
        kind: [row for row in findings["rows"] if row["kind"] == kind] for kind in ("regression", "mixture", "logistic")
    }
    laws = settings["laws"]
    assert len(rows["regression"]) == 6 * 2 * laws * len(settings["correlations"]) * len(settings["regression_sizes"])
    assert len(rows["mixture"]) == 5 * laws * len(settings["modes"]) * len(settings["mixture_sizes"])
    assert len(rows["logistic"]) == 5 * settings["logistic_laws"] * len(settings["logistic"])
    known = rows["regression"] + rows["mixture"]
    assert all(row["truth"]["low"] <= row["truth"]["value"] <= row["truth"]["high"] for row in known)
    assert all(row["attacker"]["low"] <= row["truth"]["high"] + 0.02 for row in known)
    assert all(row["truth"] is None for row in rows["logistic"])
    # More levels, more to cross.
    by = {row["quantizer"]: row["truth"]["value"] for row in rows["mixture"] if row["law"] == rows["mixture"][0]["law"]}
    assert by["sign"] < by["uniform-3"]
    assert all(path.exists() for path in finished.files)


@pytest.mark.slow
def test_the_page_shows_the_figures_the_verdicts_and_the_picture(finished: Finished) -> None:
    page = finished.files[0]
    text = page.read_text()
    assert not re.search(r"\bnan\b", text.lower())
    assert str(finished.folder) not in text
    taus = [row["tau"] for row in finished.findings["generators"] if row["laws"] == "all rounded"]
    assert all(f"{tau['value']:.2f} [{tau['low']:.2f}, {tau['high']:.2f}]" in text for tau in taus if tau["resolvable"])
    for generator in map(str.capitalize, GENERATORS):
        verdict = "(beats|does not beat|is not told apart from) bits per weight"
        assert re.search(rf"\*\*{generator}\*\*: the printed order {verdict}", text), generator
    assert text.count('"90% sparse ternary is the most private": by truth') == 1
    pictures = re.findall(r"\]\((\S+\.svg)\)", text)
    assert len(pictures) == 1
    for picture in pictures:
        assert (page.parent / picture).read_text().startswith("<?xml")


@pytest.mark.slow
def test_resumed_and_parallel_runs_give_the_same_bytes(finished: Finished, tmp_path: Path) -> None:
    run = finished.folder / "run"
    before = {path: path.stat().st_mtime_ns for path in run.glob("*-*-*.json")}
    assert len(before) == 3 * 8  # the truth and both kinds of predictions of every law
    lost = sorted(before)[-1]
    lost.unlink()
    conduct(run, out=tmp_path / "page.md", settings=Settings.quick(1), jobs=2, progress=silent)
    assert (tmp_path / "page.md").read_text() == finished.files[0].read_text()
    after = {path: path.stat().st_mtime_ns for path in before}
    assert {path for path in before if after[path] != before[path]} == {lost}


@pytest.mark.slow
def test_the_command_resumes_and_prints_the_findings_as_json(finished: Finished, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "studies.mis_synthetic", "--quick", "--json", "-q"]
    command += ["--run", str(finished.folder / "run"), "--out", str(tmp_path / "page.md")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(json.dumps(finished.findings))
