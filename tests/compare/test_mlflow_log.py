"""A run logged with MLflow, read back by MLflow's own client from its real store."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from pathlib import Path

import pytest

from harness.compare.mlflow_log import log_run
from harness.errors import DependencyError, RunError
from harness.report import Report
from tests.compare.finished_runs import FPR, INT8, RMIA, TUNED, finished

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run with its report."""
    made = finished(tmp_path / "run", {RMIA: 0.6, INT8: 0.2, TUNED: 2.0})
    attacks = made.read_json("results/attack.json")
    node = {
        "name": "release-7",
        "created": "2026-05-01T00:00:00Z",
        "config": {"name": "release-7", "seed": 1, "attack": {"fprs": [FPR]}, "empty": None},
        "config_digest": "abc",
        "edgeleak": "0.1.0",
        "attacks": attacks,
        "artifacts": [{"variant": "int8", "runtime": "litert", "size_bytes": 1234}],
        "gate": {"outcome": "inconclusive", "rules": []},
    }
    (made.folder / "report.json").write_text(json.dumps(node))
    (made.folder / "report.html").write_text("<!doctype html>")
    return made.folder


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="the extra mlflow is not installed")
def test_mlflow_reads_back_what_was_logged(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow import MlflowClient

    uri = f"file:{tmp_path / 'mlruns'}"
    first = log_run(run, uri=uri, experiment="releases")
    second = log_run(run, uri=uri, experiment="releases")
    client = MlflowClient(tracking_uri=uri)
    logged = client.get_run(first)
    report = Report.from_json(json.loads((run / "report.json").read_text()))
    strongest = next(one for one in report.attacks.results if one.view == RMIA)
    # The control leaks more, and is not what ships.
    assert logged.data.metrics["strongest.auc"] == pytest.approx(strongest.headline.value)
    assert logged.data.metrics["strongest.auc_low"] <= logged.data.metrics["strongest.auc"]
    assert logged.data.metrics["file/litert/int8.size_bytes"] == 1234
    assert all(map(math.isfinite, logged.data.metrics.values()))
    assert logged.data.params["seed"] == "1"
    assert logged.data.params["attack.fprs"] == json.dumps([FPR])
    assert logged.data.tags["edgeleak.verdict"] == "inconclusive"
    assert logged.info.run_name == "release-7"
    assert logged.info.status == "FINISHED"
    assert {one.path for one in client.list_artifacts(first)} == {"report.html", "report.json"}
    assert client.get_run(second).info.experiment_id == logged.info.experiment_id


def test_without_mlflow_the_extra_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> object:
        return None if name == "mlflow" else found(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    monkeypatch.delitem(sys.modules, "mlflow", raising=False)
    with pytest.raises(DependencyError, match="mlflow is not installed") as raised:
        log_run(run, uri="file:nowhere", experiment="x")
    assert "edgeleak[mlflow]" in (raised.value.hint or "")


def test_a_run_without_a_report_is_refused(tmp_path: Path) -> None:
    folder = finished(tmp_path / "run", {RMIA: 0.6}).folder
    with pytest.raises(RunError, match="no report"):
        log_run(folder, uri=f"file:{tmp_path / 'mlruns'}", experiment="x")
