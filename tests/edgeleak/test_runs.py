"""Whole audits from Python: of tables as of arrays, their reports again, and their verdicts under another policy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import edgeleak
from harness.errors import ConfigError, RunError, UsageError
from tests.edgeleak.tables import Bundle, bundle

ATTACKS = ("confidence", "sr2-lr")


@pytest.fixture(scope="module")
def answers() -> tuple[Bundle, Bundle]:
    """A target's answers and a shadow's."""
    return bundle(), bundle(seed=6)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audits")


@pytest.fixture(scope="module")
def of_tables(answers: tuple[Bundle, Bundle], place: Path) -> edgeleak.Report:
    target, shadow = answers
    return edgeleak.audit(
        target.csv(place / "answers.csv"),
        shadows=[shadow.parquet(place / "shadow.parquet")],
        attacks=ATTACKS,
        max_auc=0.99,
        run=place / "tables",
    )


def test_an_audit_of_tables_finds_what_an_audit_of_arrays_finds(
    answers: tuple[Bundle, Bundle], place: Path, of_tables: edgeleak.Report
) -> None:
    target, shadow = answers
    of_arrays = edgeleak.audit(
        target.npz(place / "answers.npz", shadow), attacks=ATTACKS, max_auc=0.99, run=place / "arrays"
    )
    assert of_tables.attacks.to_json() == of_arrays.attacks.to_json()
    assert len(of_tables.attacks.results) == 3
    assert of_tables.verdict is not None
    assert of_tables.verdict.outcome == "pass"
    assert len(of_tables.inputs_sha256) == 2
    assert (place / "tables" / "report.html").exists()


def test_a_run_is_loaded_again_and_the_same_call_resumes(place: Path, of_tables: edgeleak.Report) -> None:
    assert edgeleak.load_run(place / "tables").to_json() == of_tables.to_json()
    assert edgeleak.load_run(place / "tables" / "report.json").name == "answers"
    again = edgeleak.audit(
        place / "answers.csv", shadows=[place / "shadow.parquet"], attacks=ATTACKS, max_auc=0.99, run=place / "tables"
    )
    assert again.created == of_tables.created


def test_a_changed_table_of_a_shadow_is_refused(place: Path, of_tables: edgeleak.Report) -> None:
    """A run is bound to what it was begun with; the folder may be another, the content not."""
    assert of_tables.inputs_sha256
    moved = place / "moved"
    moved.mkdir()
    changed = bundle(seed=9).parquet(moved / "shadow.parquet")
    with pytest.raises(RunError, match=r"shadow\.parquet: has changed since"):
        edgeleak.audit(place / "answers.csv", shadows=[changed], attacks=ATTACKS, max_auc=0.99, run=place / "tables")


def test_a_run_is_judged_by_its_own_rules_or_by_a_policy_and_stays_as_it_is(
    place: Path, of_tables: edgeleak.Report, tmp_path: Path
) -> None:
    run = place / "tables"
    before = {path: path.read_bytes() for path in run.rglob("*.json")}
    assert of_tables.verdict is not None
    assert edgeleak.judge(run).outcome == of_tables.verdict.outcome == "pass"
    policy = tmp_path / "policy.toml"
    policy.write_text("[[rules]]\nmax = 0.51\n")
    assert edgeleak.judge(run, policy).outcome == "fail"
    assert {path: path.read_bytes() for path in run.rglob("*.json")} == before
    with pytest.raises(ConfigError, match=r"absent\.toml: no such file"):
        edgeleak.judge(run, tmp_path / "absent.toml")


def test_what_is_no_audit_and_no_run_is_refused_with_what_to_do(place: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is nothing to audit"):
        edgeleak.audit()
    with pytest.raises(UsageError, match="describe an audit already"):
        edgeleak.audit(tmp_path / "audit.toml", artifacts={"int8": "a.tflite"}, members="m.npz", nonmembers="n.npz")
    (tmp_path / "audit.toml").write_text('name = "x"\n')
    with pytest.raises(UsageError, match="limits are the configuration's"):
        edgeleak.audit(tmp_path / "audit.toml", max_auc=0.6)
    with pytest.raises(RunError, match=r"report\.json: no such file"):
        edgeleak.load_run(tmp_path)
    (tmp_path / "report.json").write_text("{")
    with pytest.raises(RunError, match="cannot be read"):
        edgeleak.load_run(tmp_path)
    with pytest.raises(RunError, match="not a run"):
        edgeleak.judge(tmp_path)


def test_a_configuration_names_tables_relative_to_itself(answers: tuple[Bundle, Bundle], tmp_path: Path) -> None:
    target, shadow = answers
    target.csv(tmp_path / "answers.csv")
    shadow.csv(tmp_path / "shadow.csv")
    path = tmp_path / "audit.toml"
    path.write_text('name = "tables"\n[answers]\nfile = "answers.csv"\nshadows = ["shadow.csv"]\n')
    config = edgeleak.load_config(path)
    assert config.answers is not None
    assert config.answers.shadows == (str(tmp_path / "shadow.csv"),)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = elsewhere / "audit.toml"
    moved.write_bytes(path.read_bytes())
    assert edgeleak.load_config(moved).digest() == config.digest(), "where files lie binds no run"
    assert json.loads(json.dumps(config.to_json()))["answers"]["shadows"] == [str(tmp_path / "shadow.csv")]
