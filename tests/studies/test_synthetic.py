"""The synthetic study as a whole: it resumes, and the number of processes changes no byte of its page."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

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
def test_rows_hold_every_quantizer_law_and_size(finished: Finished) -> None:
    findings = finished.findings
    settings = findings["settings"]
    rounding = [row for row in findings["rows"] if row["law"].startswith("rounding")]
    assert len(rounding) == 7 * settings["rounding_laws"] * len(settings["sizes"])
    assert len(findings["rows"]) - len(rounding) == 9 * settings["retraining_laws"] * len(settings["retraining_sizes"])
    assert all(row["delta_low"] <= row["delta"] <= row["delta_high"] for row in findings["rows"])
    assert all(row["attacker"]["low"] <= row["delta_high"] for row in rounding)
    by = {(row["quantizer"], row["n"]): row["delta"] for row in rounding if row["law"] == "rounding-0"}
    # More levels, more to cross; more records, less to gain.
    assert by["sign", 100] < by["uniform-4", 100]
    assert all(by[q, 400] < by[q, 100] for q, n in by if n == 100)
    assert all(path.exists() for path in finished.files)


@pytest.mark.slow
def test_the_page_shows_the_figures_and_the_pictures(finished: Finished) -> None:
    page = finished.files[0]
    text = page.read_text()
    assert "nan" not in text.lower().replace("finance", "")
    assert str(finished.folder) not in text
    taus = [row["tau"] for row in finished.findings["agreement"] if row["regime"] == "all"]
    assert all(f"{tau['value']:.2f} [{tau['low']:.2f}, {tau['high']:.2f}]" in text for tau in taus)
    pictures = re.findall(r"\]\((\S+\.svg)\)", text)
    assert len(pictures) == 2
    for picture in pictures:
        assert (page.parent / picture).read_text().startswith("<?xml")


@pytest.mark.slow
def test_resumed_and_parallel_runs_give_the_same_bytes(finished: Finished, tmp_path: Path) -> None:
    run = finished.folder / "run"
    before = {path: path.stat().st_mtime_ns for path in run.glob("r*-*.json")}
    assert len(before) == 4
    lost = sorted(before)[0]
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
