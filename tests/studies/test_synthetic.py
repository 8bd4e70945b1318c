"""The synthetic study as a whole: resumable, the same bits whatever the number of processes, a page that says it."""

import json
import re
import subprocess
import sys

import pytest

from studies.mis._synthetic import Settings, conduct


def nothing(_label, _done, _total):
    pass


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic")
    found, files = conduct(
        folder / "run", out=folder / "docs" / "page.md", settings=Settings.quick(1), jobs=1, progress=nothing
    )
    return folder, found, files


@pytest.mark.slow
def test_rows_hold_every_quantizer_law_and_size(finished):
    _, found, files = finished
    settings = found["settings"]
    rounding = [row for row in found["rows"] if row["law"].startswith("rounding")]
    assert len(rounding) == 7 * settings["rounding_laws"] * len(settings["sizes"])
    assert len(found["rows"]) - len(rounding) == 9 * settings["retraining_laws"] * len(settings["retraining_sizes"])
    assert all(row["delta_low"] <= row["delta"] <= row["delta_high"] for row in found["rows"])
    assert all(row["attacker"]["low"] <= row["delta_high"] for row in rounding)
    by = {(row["quantizer"], row["n"]): row["delta"] for row in rounding if row["law"] == "rounding-0"}
    # More levels, more to cross; more records, less to gain.
    assert by["sign", 100] < by["uniform-4", 100]
    assert all(by[q, 400] < by[q, 100] for q, n in by if n == 100)
    assert all(path.exists() for path in files)


@pytest.mark.slow
def test_the_page_stands_on_its_figures(finished):
    folder, found, files = finished
    text = files[0].read_text()
    assert "nan" not in text.lower().replace("finance", "")
    assert str(folder) not in text
    taus = [row["tau"] for row in found["agreement"] if row["regime"] == "all"]
    assert all(f"{tau['value']:.2f} [{tau['low']:.2f}, {tau['high']:.2f}]" in text for tau in taus)
    for picture in re.findall(r"\]\((\S+\.svg)\)", text):
        assert (files[0].parent / picture).read_text().startswith("<?xml")


@pytest.mark.slow
def test_resumed_and_parallel_runs_give_the_same_bytes(finished, tmp_path):
    folder, _, files = finished
    before = {path: path.stat().st_mtime_ns for path in (folder / "run").glob("r*-*.json")}
    assert len(before) == 4
    lost = sorted(before)[0]
    lost.unlink()
    conduct(folder / "run", out=tmp_path / "page.md", settings=Settings.quick(1), jobs=2, progress=nothing)
    assert (tmp_path / "page.md").read_text() == files[0].read_text()
    after = {path: path.stat().st_mtime_ns for path in before}
    assert {path for path in before if after[path] != before[path]} == {lost}


@pytest.mark.slow
def test_the_command_says_it_as_json(finished, tmp_path):
    folder, found, _ = finished
    command = ["mis-study", "synthetic", "--quick", "--json", "-q"]
    command += ["--run", str(folder / "run"), "--out", str(tmp_path / "page.md")]
    done = subprocess.run(
        [sys.executable, "-m", "harness", *command], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(json.dumps(found))
