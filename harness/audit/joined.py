"""What became of several devices, and how their answers and what attacks find of them differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from harness import collection, fields, stats
from harness.audit.findings import attack_findings
from harness.audit.plan import stages_of_a_device
from harness.audit.replicas import Replica
from harness.config import AuditConfig
from harness.data.exposed_outputs import VECTOR
from harness.errors import RunError
from harness.results import AnswerDifference, AttackDifference, DeviceResult, DevicesFindings, Result
from harness.store import Run
from harness.subject import AUDIT, observations
from harness.subject.observations import Evidence
from harness.types import Array, View

__all__ = ["join"]


def join(config: AuditConfig, run: Run, replicas: Sequence[Replica]) -> DevicesFindings:
    """Say what became of each device, and compare those that finished with the first of them.

    Args:
        config: the audit on several devices.
        run: its folder.
        replicas: the devices' own runs.

    Raises:
        RunError: two devices were asked about other records.
    """
    order = stages_of_a_device(config)
    devices = tuple(_device(one, run, order) for one in replicas)
    finished = [one for one, device in zip(replicas, devices, strict=True) if device.is_finished]
    if len(finished) < 2:
        return DevicesFindings(devices)
    first, *others = finished
    answers = tuple(_answers(first, others))
    return DevicesFindings(devices, answers, tuple(_attacks(first, others, level=config.attack.level)))


def _device(one: Replica, run: Run, order: Sequence[str]) -> DeviceResult:
    missing = tuple(stage for stage in order if not one.run.is_done(stage))
    asked = one.run.is_done("collect")
    attacked = one.run.is_done("attack")
    reason = str(one.error) if one.error is not None else "it was not asked" if missing else ""
    return DeviceResult(
        name=one.name,
        folder=str(one.run.folder.relative_to(run.folder)),
        missing=missing,
        reason=reason if missing else "",
        losses=one.losses,
        device=fields.mapping(one.run.read_json("results/collect.json"), "device") if asked else {},
        null=attack_findings(one.run).null if attacked else None,
    )


def _answers(first: Replica, others: Sequence[Replica]) -> Iterator[AnswerDifference]:
    """Differences of the audited model's confidences, file by file."""
    ours = _confidences(first)
    for other in others:
        _require_same_records(first, other)
        for (variant, runtime), theirs in _confidences(other).items():
            if (variant, runtime) in ours:
                parity = collection.parity(theirs, ours[variant, runtime], name=first.name)
                yield AnswerDifference(variant, runtime, other.name, first.name, parity)


def _confidences(one: Replica) -> dict[tuple[str, str], NDArray[np.float32]]:
    """Variant and runtime -> the device's confidences on the audited records, ``[n, C]``, whatever the app shows."""
    found: dict[tuple[str, str], NDArray[np.float32]] = {}
    for runtime in Evidence.read(one.run).runtimes:
        seen, _ = observations.read(one.run, runtime, VECTOR)
        found |= {(variant, runtime): values.astype(np.float32) for variant, values in seen.confidences.items()}
        found |= {(variant, runtime): _softmax(values) for variant, values in seen.logits.items()}
    return found


def _softmax(logits: Array) -> NDArray[np.float32]:
    return np.asarray(softmax(logits.astype(np.float64), axis=1), dtype=np.float32)


def _attacks(first: Replica, others: Sequence[Replica], *, level: float) -> Iterator[AttackDifference]:
    """Paired differences of every attack's AUC; their intervals hold at once."""
    own = _by_view(first)
    pairs = [(other, view, result) for other in others for view, result in _by_view(other).items() if view in own]
    corrected = 1.0 - (1.0 - level) / max(1, len(pairs))
    membership = first.run.arrays.read_membership()
    for other, view, result in pairs:
        difference = stats.auc_difference(
            other.run.arrays.read_scores(view.key),
            first.run.arrays.read_scores(view.key),
            membership,
            level=corrected,
            design_effect=max(result.design_effect, own[view].design_effect),
        )
        yield AttackDifference(replace(view, device=other.name), first.name, difference)


def _by_view(one: Replica) -> dict[View, Result]:
    return {result.view: result for result in attack_findings(one.run).results}


def _require_same_records(first: Replica, other: Replica) -> None:
    ours, theirs = (
        (arrays.read_ids(AUDIT), arrays.read_labels(AUDIT), arrays.read_membership())
        for arrays in (one.run.arrays for one in (first, other))
    )
    if not all(map(np.array_equal, ours, theirs)):
        raise RunError(
            f"{other.run.folder}: was asked about other records than {first.run.folder}",
            hint="start over with --fresh",
        )
