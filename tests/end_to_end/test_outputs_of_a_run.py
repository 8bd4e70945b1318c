"""The files of a finished run: which are written, what they tell of the same verdict, scores, and the page as a PDF."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import junitparser
import numpy as np
import pandas as pd
import pypdf
import pytest

from harness.audit.findings import attack_findings
from harness.audit.replicas import of_device
from harness.audit.score_tables import write_scores
from harness.config import REPORT_FORMATS, AuditConfig, ReportConfig
from harness.errors import DependencyError, EdgeleakError, UsageError
from harness.report.pdf import find_browser, print_page
from harness.report.writers import FORMATS
from harness.store import Run
from tests.end_to_end.conftest import ANSWERS_OPTIONS, Cli, command

FILES = {one.file for one in FORMATS.values()}


@pytest.fixture(scope="module")
def configured(answers_file: Path, edgeleak: Cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration that the audit of the arrays had, as a file, with its rule on a line."""
    path = tmp_path_factory.mktemp("configured") / "audit.toml"
    done = edgeleak("init", path, "--answers", answers_file, *ANSWERS_OPTIONS, "--max-auc", "0.99")
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def run(answers_run: Path, tmp_path: Path) -> Path:
    """A run of one's own."""
    return Path(shutil.copytree(answers_run, tmp_path / "run"))


def written(run: Path) -> set[str]:
    return {path.name for path in run.iterdir()} & {*FILES, "scores.parquet", "report.pdf"}


def verdicts(run: Path) -> set[str]:
    """What each file says of the release."""
    log = json.loads((run / "gate.sarif").read_text())["runs"][0]["invocations"][0]["exitCode"]
    cases = [case for suite in junitparser.JUnitXml.fromfile(str(run / "junit.xml")) for case in suite]
    failed = any(case.is_failure or case.is_error for case in cases)
    summary = re.search(r"^\*\*(Pass|Fail|Inconclusive)", (run / "summary.md").read_text(), re.MULTILINE)
    assert summary is not None
    return {
        json.loads((run / "report.json").read_text())["gate"]["outcome"],
        json.loads((run / "results/gate.json").read_text())["outcome"],
        ("pass", "fail", "inconclusive")[log],
        "fail" if failed else "pass",
        summary[1].lower(),
    }


def test_the_configuration_knows_the_formats_that_there_are() -> None:
    assert tuple(FORMATS) == REPORT_FORMATS
    assert ReportConfig(formats=("html",)).formats == ("json", "html")


def test_the_run_of_one_device_of_several_has_its_page_alone() -> None:
    config = AuditConfig(name="phones", report=ReportConfig(scores=True))
    assert of_device(config, "local").report == ReportConfig(formats=("json", "html"))


def test_an_audit_writes_every_file_for_its_owner_alone(answers_run: Path) -> None:
    assert written(answers_run) == FILES
    modes = {stat.S_IMODE((answers_run / name).stat().st_mode) for name in FILES}
    assert modes == {0o600}


def test_a_new_verdict_is_told_by_every_file(run: Path, configured: Path, edgeleak: Cli, tmp_path: Path) -> None:
    assert verdicts(run) == {"pass"}
    (run / "report.pdf").write_bytes(b"%PDF- of an earlier verdict")
    strict = tmp_path / "strict.toml"
    strict.write_text(re.sub(r"^max = .*", "max = 0.501", configured.read_text(), flags=re.MULTILINE))
    assert edgeleak("gate", strict, "--run", run).returncode == 1
    assert verdicts(run) == {"fail"}
    assert written(run) == FILES, "a PDF of an earlier verdict is gone"


def test_only_the_formats_that_are_asked_for_are_written(run: Path, configured: Path, edgeleak: Cli) -> None:
    done = edgeleak("report", configured, "--run", run, "--format", "junit", "--format", "summary")
    assert done.returncode == 0, done.stderr
    assert written(run) == {"report.json", "junit.xml", "summary.md"}
    done = edgeleak("report", configured, "--run", run, "--format", "pdf")
    assert (done.returncode, done.stderr.count("\n")) == (4, 1)
    assert "--format pdf: no such format (use one of json, html, junit" in done.stderr


def test_the_configuration_says_which_files_are_written_and_binds_no_run(
    run: Path, configured: Path, edgeleak: Cli, tmp_path: Path
) -> None:
    config = tmp_path / "audit.toml"
    config.write_text(configured.read_text() + '\n[report]\nformats = ["html", "csv"]\n')
    assert edgeleak("gate", config, "--run", run).returncode == 0
    assert written(run) == {"report.json", "report.html", "results.csv"}


def test_the_scores_are_a_row_a_record_and_view(run: Path, configured: Path, edgeleak: Cli) -> None:
    done = edgeleak("report", configured, "--run", run, "--scores")
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE((run / "scores.parquet").stat().st_mode) == 0o600
    table = pd.read_parquet(run / "scores.parquet")
    with Run.open(run, Run.config_of(run)) as opened:
        results, membership = attack_findings(opened).results, opened.arrays.read_membership()
        assert len(table) == len(results) * len(membership)
        for result in results:
            view = result.view
            rows = table[(table["attack"] == view.attack) & (table["variants"] == ",".join(view.variants))]
            np.testing.assert_array_equal(rows["score"], opened.arrays.read_scores(view.key))
            np.testing.assert_array_equal(rows["member"], membership == 1)
            np.testing.assert_array_equal(rows["id"], opened.arrays.read_ids("audit"))
            np.testing.assert_array_equal(rows["label"], opened.arrays.read_labels("audit"))
            assert set(rows["adversary"]) == {view.adversary}


def test_records_stand_by_their_ids_in_a_report_that_is_asked_for_them(
    run: Path, configured: Path, edgeleak: Cli
) -> None:
    def page() -> str:
        return (run / "report.html").read_text()

    assert edgeleak("report", configured, "--run", run).returncode == 0
    assert "records" not in json.loads((run / "report.json").read_text())
    assert "Most exposed records" not in page()
    done = edgeleak("report", configured, "--run", run, "--records")
    assert done.returncode == 0, done.stderr
    records = json.loads((run / "report.json").read_text())["records"]["records"]
    with Run.open(run, Run.config_of(run)) as opened:
        assert {row["id"] for row in records} <= set(opened.arrays.read_ids("audit").tolist())
    assert "Most exposed records" in page()
    assert edgeleak("report", configured, "--run", run).returncode == 0
    assert "Most exposed records" not in page()


def test_scores_are_written_for_who_asks_and_go_when_the_attacks_are_done_anew(
    run: Path, configured: Path, edgeleak: Cli
) -> None:
    (run / "scores.parquet").write_bytes(b"of earlier attacks")
    os.utime(run / "scores.parquet", (1, 1))
    assert edgeleak("report", configured, "--run", run).returncode == 0
    assert "scores.parquet" not in written(run)


def test_without_pyarrow_a_sentence_says_how_to_get_it(run: Path, configured: Path) -> None:
    blocked = "import sys; sys.modules['pyarrow'] = None; from harness.cli import main; main()"
    args = ["report", str(configured), "--run", str(run), "--scores"]
    done = subprocess.run([sys.executable, "-c", blocked, *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 'pyarrow is not installed (pip install "edgeleak[parquet]")' in done.stderr
    assert "scores.parquet" not in written(run)


def github(tmp_path: Path, *args: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    settings = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary"), "GITHUB_ACTIONS": "true", **more}
    return subprocess.run(
        command(*args), env={**clean, **settings}, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("verb", ["gate", "report"])
def test_a_workflow_is_told_once_a_command(verb: str, run: Path, configured: Path, tmp_path: Path) -> None:
    assert github(tmp_path, verb, configured, "--run", run).returncode == 0
    assert (tmp_path / "summary").read_text() == (run / "summary.md").read_text()


def test_json_stays_json_in_a_workflow(run: Path, configured: Path, tmp_path: Path) -> None:
    strict = tmp_path / "strict.toml"
    strict.write_text(re.sub(r"^max = .*", "max = 0.501", configured.read_text(), flags=re.MULTILINE))
    done = github(tmp_path, "gate", strict, "--run", run, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["outcome"] == "fail"
    assert "::error file=" in github(tmp_path, "gate", strict, "--run", run).stdout


def test_a_summary_that_cannot_be_written_is_said_and_changes_no_verdict(
    run: Path, configured: Path, tmp_path: Path
) -> None:
    done = github(tmp_path, "gate", configured, "--run", run, GITHUB_STEP_SUMMARY=str(tmp_path / "missing/summary"))
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert "missing/summary: cannot be written" in line


def browser() -> str:
    try:
        return find_browser()
    except DependencyError as error:
        pytest.skip(str(error))


def test_the_page_is_printed_with_the_browser_that_is_there(run: Path, configured: Path, edgeleak: Cli) -> None:
    browser()
    before = set(Path("/tmp").glob("edgeleak-pdf-*"))  # noqa: S108 - where temporary folders are made
    done = edgeleak("report", configured, "--run", run, "--pdf")
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE((run / "report.pdf").stat().st_mode) == 0o600
    pages = pypdf.PdfReader(run / "report.pdf").pages
    assert 1 <= len(pages) <= 30
    box = pages[0].mediabox
    assert (round(box.width), round(box.height)) == (595, 842), "A4"
    text = " ".join(" ".join(page.extract_text() for page in pages).split())
    assert "embers" in text
    assert "answers" in text
    assert set(Path("/tmp").glob("edgeleak-pdf-*")) <= before, "profile and draft are gone"  # noqa: S108


def test_a_browser_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    page, started = tmp_path / "report.html", tmp_path / "started"
    page.write_text("<p>page</p>")
    slow = tmp_path / "chromium"
    slow.write_text(f"#!/bin/sh\nsleep 300 &\necho $! > {started}\nwait\n")
    slow.chmod(0o700)
    with pytest.raises(EdgeleakError, match="printed nothing within 1 s, and was ended"):
        print_page(page, tmp_path / "report.pdf", browser=str(slow), seconds=1.0)
    child = Path(f"/proc/{started.read_text().strip()}/stat")
    assert not child.exists() or child.read_text().rpartition(")")[2].split()[0] == "Z"
    assert not (tmp_path / "report.pdf").exists()


@pytest.mark.parametrize(
    ("script", "message"),
    [("echo no display >&2; exit 3", "ended with 3: no display"), ("exit 0", "printed no PDF of")],
)
def test_a_browser_that_fails_is_named(script: str, message: str, tmp_path: Path) -> None:
    page, broken = tmp_path / "report.html", tmp_path / "chromium"
    page.write_text("<p>page</p>")
    broken.write_text(f"#!/bin/sh\n{script}\n")
    broken.chmod(0o700)
    with pytest.raises(EdgeleakError, match=message):
        print_page(page, tmp_path / "report.pdf", browser=str(broken))


def test_a_missing_browser_is_said_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("EDGELEAK_CHROMIUM", raising=False)
    with pytest.raises(DependencyError, match="no Chromium is installed") as missing:
        find_browser()
    assert "EDGELEAK_CHROMIUM" in str(missing.value.hint)
    monkeypatch.setenv("EDGELEAK_CHROMIUM", str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="is no program"):
        find_browser()


def test_hostile_names_are_written_as_text(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parquet holds UTF-8 alone; a name that a file gave may be anything."""
    with Run.open(run, Run.config_of(run)) as opened:
        kept = opened.read_json("results/attack.json")
        row, name = kept["results"][0], "x\ud800\x00<b>"
        scores = opened.arrays.read_scores("NR/confidence/original")
        row["attack"] = name
        kept["results"] = [row]
        opened.write_json("results/attack.json", kept)
        monkeypatch.setattr(type(opened.arrays), "read_scores", lambda _self, _key: scores)
        config: AuditConfig = opened.config
        place = write_scores(config, opened)
    assert place is not None
    assert set(pd.read_parquet(place)["attack"]) == {"x?\x00<b>"}
