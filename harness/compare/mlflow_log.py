"""A finished run as a run of MLflow: figures as metrics, settings as parameters and tags, the report as files.

MLflow is the user's own; nothing else of edgeleak needs it.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

from harness import fields, packages
from harness.compare.run_list import strongest_of
from harness.errors import EdgeleakError, RunError
from harness.report import Report

__all__ = ["log_run"]

# What MLflow's stores take: longer texts are cut.
LONGEST_VALUE = 500
LONGEST_KEY = 200
ARTIFACTS = ("report.json", "report.html")
# MLflow refuses stores of files unless it is told that they are meant.
ALLOW_FILES = "MLFLOW_ALLOW_FILE_STORE"


def log_run(folder: Path, *, uri: str, experiment: str) -> str:
    """Log a finished run.

    Args:
        folder: the run's folder, with its report.
        uri: where MLflow keeps its runs: a server's address, or ``file:`` and a folder.
        experiment: the experiment's name; it is made where it is not there.

    Returns:
        MLflow's id of the run.

    Raises:
        DependencyError: MLflow is not installed.
        RunError: the folder holds no report.
        EdgeleakError: MLflow's store refuses.
    """
    packages.require("mlflow", extra="mlflow")
    path = folder / "report.json"
    try:
        report = Report.from_json(json.loads(path.read_bytes()))
    except (OSError, ValueError, EdgeleakError) as error:
        raise RunError(f"{path}: no report can be read: {error}", hint="run `edgeleak report` first") from None
    if uri.startswith("file:"):
        os.environ.setdefault(ALLOW_FILES, "true")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        client = MlflowClient(tracking_uri=uri)
        known = client.get_experiment_by_name(experiment)
        place = client.create_experiment(experiment) if known is None else known.experiment_id
        run_id = str(client.create_run(place, run_name=report.name, tags=dict(_tags(report))).info.run_id)
        for name, text in _params(report):
            client.log_param(run_id, name, text)
        for name, value in _metrics(report):
            client.log_metric(run_id, name, value)
        for name in ARTIFACTS:
            if (folder / name).is_file():
                client.log_artifact(run_id, str(folder / name))
        client.set_terminated(run_id)
    except MlflowException as error:
        raise EdgeleakError(f"MLflow at {uri}: {error.message.splitlines()[0]}", hint="see --uri") from None
    return run_id


def _tags(report: Report) -> Iterator[tuple[str, str]]:
    yield "edgeleak.version", report.edgeleak
    yield "edgeleak.created", report.created
    yield "edgeleak.config_digest", report.config_digest
    yield "edgeleak.subject", report.subject
    yield "edgeleak.null", str(report.null).lower()
    yield "edgeleak.verdict", "" if report.verdict is None else report.verdict.outcome
    best = strongest_of(report.attacks)
    yield "edgeleak.strongest", "" if best is None else str(best.view)[:LONGEST_VALUE]


def _params(report: Report) -> Iterator[tuple[str, str]]:
    """The resolved configuration, flat."""
    yield from _flat(report.config)


def _flat(node: fields.Node, prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif value is not None:
            text = value if isinstance(value, str) else json.dumps(value)
            yield _key(f"{prefix}{key}"), text[:LONGEST_VALUE]


def _metrics(report: Report) -> Iterator[tuple[str, float]]:
    """The strongest attack, then every attack, then every file; what is not known is left out."""
    best = strongest_of(report.attacks)
    rows: list[tuple[str, float | None]] = []
    if best is not None:
        one = best.headline
        rows += [("strongest.auc", one.value), ("strongest.auc_low", one.low), ("strongest.auc_high", one.high)]
        rows += [(f"strongest.tpr_at_fpr_{rate}", tpr.value) for rate, tpr in best.tpr_at_fpr.items()]
        rows.append(("strongest.epsilon_lower", best.epsilon_lower.value))
    for result in report.attacks.results:
        place = f"attack.{result.view.key}"
        rows += [(f"{place}.auc", result.auc.value)]
        rows += [(f"{place}.tpr_at_fpr_{rate}", tpr.value) for rate, tpr in result.tpr_at_fpr.items()]
    for artifact in report.artifacts:
        place = "/".join(filter(None, ("file", artifact.device, artifact.runtime, artifact.variant)))
        accuracy, latency = artifact.accuracy_nonmembers, artifact.latency
        rows.append((f"{place}.size_bytes", None if artifact.size_bytes is None else float(artifact.size_bytes)))
        rows.append((f"{place}.accuracy_nonmembers", None if accuracy is None else accuracy.value))
        rows.append((f"{place}.p50_ns", None if latency is None else latency.p50_ns.value))
    for name, value in rows:
        if value is not None and math.isfinite(value):
            yield _key(name), value


def _key(name: str) -> str:
    """A name that MLflow takes."""
    return re.sub(r"[^A-Za-z0-9_.\-/ ]", ".", name)[:LONGEST_KEY]
