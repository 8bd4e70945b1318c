"""What several devices found, read back as one: a result for each view and device. No statistics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.audit.findings import artifact_results, attack_findings, mis_findings, slice_findings
from harness.audit.replicas import of_device, read_findings
from harness.policy import RuleOutcome, Verdict
from harness.results import ArtifactResult, AttackFindings, DeviceResult, DevicesFindings, MisFindings, SliceFindings
from harness.store import Run
from harness.types import View

__all__ = [
    "artifacts_of_devices",
    "attacks_of_devices",
    "mis_of_devices",
    "runs_of_devices",
    "slices_of_devices",
    "with_lost",
]


def attacks_of_devices(run: Run) -> AttackFindings:
    """What the attacks found on every device that finished, each result with its device.

    How often intervals miss AUC 0.5 is known of each device, and stands with it.
    """
    parts = [(device.name, attack_findings(own)) for device, own in runs_of_devices(run)]
    return AttackFindings(
        tuple(replace(r, view=_on(r.view, name)) for name, found in parts for r in found.results),
        tuple(replace(s, view=_on(s.view, name)) for name, found in parts for s in found.skipped),
        None,
        tuple(replace(i, view=_on(i.view, name)) for name, found in parts for i in found.increases),
        {_place(key, name): one for name, found in parts for key, one in found.corrections.items()},
    )


def artifacts_of_devices(run: Run) -> tuple[ArtifactResult, ...]:
    """What was found of every file on every device that finished."""
    parts = ((device.name, artifact_results(own)) for device, own in runs_of_devices(run))
    return tuple(replace(row, device=name) for name, rows in parts for row in rows)


def slices_of_devices(run: Run) -> dict[str, SliceFindings]:
    """What was found about parts of the records on every device that finished."""
    parts = ((device.name, slice_findings(own)) for device, own in runs_of_devices(run))
    return {name: slices for name, slices in parts if slices is not None}


def mis_of_devices(run: Run) -> dict[str, MisFindings]:
    """What was found about quantizers on every device that finished."""
    parts = ((device.name, mis_findings(own)) for device, own in runs_of_devices(run))
    return {name: found for name, found in parts if found is not None}


def runs_of_devices(run: Run) -> Iterator[tuple[DeviceResult, Run]]:
    """Each device that finished, with its own run; not locked, for reading alone."""
    for device in read_findings(run).finished:
        yield device, Run(run.folder / device.folder, of_device(run.config, device.name))


def _on(view: View, device: str) -> View:
    return replace(view, device=device)


def _place(runtime: str, device: str) -> str:
    return ", ".join(filter(None, (runtime, device)))


def with_lost(verdict: Verdict, devices: DevicesFindings) -> Verdict:
    """The verdict, which passes nothing where a device lacks a stage."""
    lost = tuple(
        RuleOutcome(
            id=f"device-{number}",
            name=f"{device.name} finished",
            outcome="inconclusive",
            reason=f"it lacks {', '.join(device.missing)}: {device.reason}; the same command resumes",
        )
        for number, device in enumerate(devices.devices)
        if not device.is_finished
    )
    return replace(verdict, rules=(*verdict.rules, *lost))
