"""Stage `report`: what was found, written down."""

from __future__ import annotations

from typing import Any

from harness import __version__
from harness import report as reports
from harness.audit.context import Context
from harness.audit.findings import artifact_results, attack_findings, mis_findings, privacy_findings, slice_findings
from harness.audit.of_devices import artifacts_of_devices, attacks_of_devices, runs_of_devices
from harness.audit.replicas import FINDINGS, is_replicated, read_findings
from harness.audit.score_tables import FILE, MISSING, write_scores
from harness.config import AuditConfig
from harness.policy import Verdict
from harness.report.pdf import PDF
from harness.results import RecordFindings
from harness.store import Run
from harness.subject._inputs import kept_inputs

__all__ = ["assemble", "assemble_devices", "report"]

# Records by id that a report shows where it is asked for them.
RECORDS_SHOWN = 20


def report(config: AuditConfig, run: Run, context: Context) -> dict[str, Any]:
    """Write the files that `[report]` asks for.

    What is there from an earlier verdict, or from earlier attacks, is removed where it is not written anew.

    Returns:
        The report itself.
    """
    run.require("gate")
    if is_replicated(config, run):
        whole, curves = assemble_devices(config, run), dict[str, reports.Curve]()
    else:
        whole = assemble(config, run)
        kept = run.read_json("results/curves.json")
        curves = {label: reports.Curve.from_json(kept[label]) for label in kept}
    reports.write(whole, curves=curves, folder=run.folder, formats=config.report.formats)
    (run.folder / PDF).unlink(missing_ok=True)  # printed of the page before this one
    _keep_scores(config, run, context)
    return whole.to_json()


def _keep_scores(config: AuditConfig, run: Run, context: Context) -> None:
    if config.report.scores:
        if write_scores(config, run) is None:
            context.say(MISSING)
        return
    place, attacked = run.folder / FILE, run.folder / "results/attack.json"
    attacked = attacked if attacked.exists() else run.folder / FINDINGS
    if place.exists() and place.stat().st_mtime_ns < attacked.stat().st_mtime_ns:
        place.unlink()


def assemble(config: AuditConfig, run: Run) -> reports.Report:
    """Everything that the stages found."""
    mis = mis_findings(run)
    return reports.Report(
        **_identity(config, run),
        inputs_sha256=kept_inputs(run),
        device=run.read_json("results/collect.json").get("device") if run.is_done("collect") else None,
        data=run.read_json("data.json"),
        artifacts=artifact_results(run),
        attacks=attack_findings(run),
        slices=slice_findings(run),
        privacy=privacy_findings(run),
        mis=None if mis is None else mis.in_order(),
        records=_records(run) if config.report.records else None,
    )


def _records(run: Run) -> RecordFindings:
    from harness.audit.records import keep_exposed  # reads scores; other reports read none

    return keep_exposed(run, (), top=RECORDS_SHOWN)


def assemble_devices(config: AuditConfig, run: Run) -> reports.Report:
    """The same of several devices: what is known of each one stands in its own report."""
    devices = read_findings(run)
    first = next((own for _, own in runs_of_devices(run)), run)
    return reports.Report(
        **_identity(config, run),
        inputs_sha256=kept_inputs(first),
        data=first.read_json("data.json"),
        artifacts=artifacts_of_devices(run),
        attacks=attacks_of_devices(run),
        devices=devices,
    )


def _identity(config: AuditConfig, run: Run) -> dict[str, Any]:
    """What every report has, whatever was audited: which audit it is, and how it ended."""
    return {
        "edgeleak": __version__,
        "name": config.name,
        "null": config.null,
        "created": str(run.read_json("manifest.json").get("created", "")),
        "config": config.to_json(),
        "config_digest": config.digest(),
        "seed": config.seed,
        "subject": config.kind,
        "verdict": Verdict.from_json(run.read_json("results/gate.json")),
        "timings": run.timings(),
    }
