"""Stages `gate` and `report`: what was found, held against the policy and written down."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness import __version__, policy
from harness import report as reports
from harness.audit.context import Context
from harness.audit.stages.attack import score_key
from harness.audit.stages.export import rows_of
from harness.config import AuditConfig
from harness.stats import Roc, clopper_pearson, roc
from harness.store import Run
from harness.subject.trained import CONTROL, TARGET, TrainedSubject

__all__ = ["judge", "report"]

SCHEMA = "edgeleak.report/1"


def judge(config: AuditConfig, run: Run, _context: Context) -> dict[str, object]:
    """Hold the results against the policy; the null twin is judged by its calibration instead.

    Returns:
        The verdict.
    """
    run.require("attack")
    found = run.read_json("results/attack.json")
    if config.null:
        return policy.judge_null(found["null_calibration"]).to_json()
    return policy.judge(found["results"], artifact_rows(run, config), config.gate).to_json()


def report(config: AuditConfig, run: Run, _context: Context) -> dict[str, object]:
    """Write report.json and report.html.

    Returns:
        The report itself.
    """
    run.require("gate")
    whole = assemble(config, run)
    reports.write(whole, curves=_curves(config, run, whole["attacks"]["results"]), folder=run.folder)
    return whole


def assemble(config: AuditConfig, run: Run) -> dict[str, Any]:
    """Everything that the stages found, as one JSON object."""
    found = run.read_json("results/attack.json")
    manifest = run.read_json("manifest.json")
    return {
        "schema": SCHEMA,
        "edgeleak": __version__,
        "name": config.name,
        "null": config.null,
        "created": manifest["created"],
        "config": config.to_json(),
        "config_digest": config.digest(),
        "device": run.read_json("results/collect.json")["device"],
        "data": run.read_json("results/train.json"),
        "artifacts": artifact_rows(run, config),
        "attacks": {"results": found["results"], "skipped": found["skipped"]},
        "null_calibration": found["null_calibration"],
        "mis": run.read_json("results/mis.json") if run.is_done("mis") else None,
        "gate": run.read_json("results/gate.json"),
        "timings": run.timings(),
    }


def artifact_rows(run: Run, config: AuditConfig) -> list[dict[str, Any]]:
    """One row per variant and runtime of the target: file, accuracy, parity and, where measured, latency."""
    rows: dict[tuple[str, str], dict[str, Any]] = {
        (row["variant"], row["runtime"]): row | {"is_control": row["variant"] == CONTROL}
        for row in rows_of(run, config, TrainedSubject.load(config, run))
    }
    for stage in ("collect", "bench"):
        if not run.is_done(stage):
            continue
        for row in run.read_json(f"results/{stage}.json")["artifacts"]:
            kept = {key: value for key, value in row.items() if key not in ("samples_ns",)}
            rows[row["variant"], row["runtime"]].update(kept)
    order = {variant: place for place, variant in enumerate(config.compression.variants)}
    return sorted(rows.values(), key=lambda row: (row["runtime"], order[row["variant"]]))


def _curves(config: AuditConfig, run: Run, results: list[dict[str, Any]]) -> dict[str, reports.Curve]:
    """The curves worth a picture: per runtime the strongest attack of each adversary, and of NR on the original."""
    subject = TrainedSubject.load(config, run)
    records = subject.population("audit")
    membership = subject.membership(TARGET, records.ids)
    chosen: dict[str, dict[str, Any]] = {}
    for row in results:
        if row["is_control"]:
            continue
        of = "NR original" if row["adversary"] == "NR" and row["variants"] == ["original"] else row["adversary"]
        label = f"{row['runtime']} {of}"
        if label not in chosen or row["auc"]["value"] > chosen[label]["auc"]["value"]:
            chosen[label] = row
    return {
        label: _curve(label, row, roc(run.read_scores(score_key(row)), membership))
        for label, row in sorted(chosen.items())
    }


def _curve(label: str, row: dict[str, Any], found: Roc) -> reports.Curve:
    """A curve with the exact interval of the true-positive rate at each threshold."""
    bounds = {tp: clopper_pearson(int(tp), found.n_members) for tp in np.unique(found.tp)}
    low, high = np.transpose([bounds[tp] for tp in found.tp])
    on = "" if label.endswith("original") else f" ({'+'.join(row['variants'])})"
    return reports.Curve(
        label=f"{label}: {row['attack']}{on}",
        fpr=found.fpr,
        tpr=found.tpr,
        low=low,
        high=high,
        n_members=found.n_members,
        n_nonmembers=found.n_nonmembers,
    )
