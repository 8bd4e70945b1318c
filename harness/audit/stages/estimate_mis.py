"""Stage `mis`: candidates of each quantizer, run on the device -> the MIS indicator and its ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import log_softmax

from harness import compression, mis
from harness.audit import witnesses
from harness.audit.context import Context
from harness.audit.stages.collect import gather
from harness.config import AuditConfig
from harness.results import MisFindings, QuantizerMis
from harness.store import Run
from harness.subject import candidates, last_layer
from harness.subject.exported import candidates_of
from harness.subject.names import TARGET
from harness.subject.trained import TrainedSubject
from harness.types import Artifact, FloatArray, IntArray

__all__ = ["estimate_mis"]

POPULATION = "mis"


def estimate_mis(config: AuditConfig, run: Run, context: Context) -> dict[str, Any]:
    """Estimate how secure each quantizer is against the best possible membership attack (larger r is safer).

    The candidates come of the same generator, seeds and number for every quantizer; each is exported, answers the same
    held-out records on the device, and its losses are taken from the device's answers. Files of equal bytes are one
    candidate: they are asked once, and those that the device answers alike are one, too.

    r, its status and the number of distinct candidates are the device's. So is the predicted leakage, the joint law of
    these losses, except for candidates that differ in the last layer alone: theirs is the law of undecided coordinates,
    of how much of the float layer the exported files hold. It is read from the files and not from the answers, because
    whoever has a device has its files, and answers show less: 8-bit logits about half, and a network whose quantized
    trunk answers otherwise than the float one shows its last layer's weights in a basis that nobody knows.

    Returns:
        One row per quantizer with its predicted leakage, r, how it compares with the others, and the attack that shows
        most on the same variant.
    """
    if not config.mis.enabled:
        return MisFindings().to_json()
    run.require("export")
    subject, info = TrainedSubject.load(config, run), context.device.info()
    records = subject.population(POPULATION)
    artifacts = candidates_of(run, config)
    losses: dict[str, FloatArray] = {}
    files: dict[str, list[Artifact]] = {}
    for quantizer in config.mis.quantizers:
        mine = files[quantizer] = [artifact for artifact in artifacts if artifact.variant == quantizer]
        first: dict[str, Artifact] = {}
        for artifact in mine:
            first.setdefault(artifact.sha256, artifact)
        asked = list(first.values())
        gather(config, run, context, asked, POPULATION, records, info=info, label=f"mis {quantizer}")
        of_file = {artifact.sha256: _losses(run, artifact, records.labels) for artifact in asked}
        losses[quantizer] = np.stack([of_file[artifact.sha256] for artifact in mine])
    estimates = mis.estimate(
        losses,
        n=len(subject.split.training),
        level=config.attack.level,
        seed=config.seed,
        strata=records.labels,
        deployed=dict.fromkeys(config.mis.quantizers, candidates.deployed(config)),
    )
    if config.mis_generator == "bootstrap-last":
        estimates = _by_coordinates(estimates, files, run, subject, level=config.attack.level)
    findings = MisFindings(
        tuple(estimates), len(subject.split.training), len(records), config.mis_generator, config.mis.runtime
    )
    floats = {name for name in config.mis.quantizers if compression.parse_quantizer(name).is_float}
    return witnesses.beside_attacks(run, findings.with_float_formats(floats)).to_json()


def _by_coordinates(
    rows: Sequence[QuantizerMis],
    files: Mapping[str, Sequence[Artifact]],
    run: Run,
    subject: TrainedSubject,
    *,
    level: float,
) -> tuple[QuantizerMis, ...]:
    """The rows with the leakage that the files' last layers predict; candidate 0, which no sample made, is left out."""
    layers, training = last_layer.read(run), subject.training_records(TARGET)
    said = mis.last_layer_coordinates(
        layers.refits,
        {name: last_layer.deployed_layers(mine[1:], layers.refits) for name, mine in files.items()},
        trained=layers.trained,
        features=layers.features,
        labels=training.labels,
        n=len(training),
        level=level,
    )
    return tuple(
        replace(row, leakage=said[row.quantizer].leakage, comparisons=said[row.quantizer].comparisons) for row in rows
    )


def _losses(run: Run, artifact: Artifact, labels: IntArray) -> FloatArray:
    answers = run.arrays.read_answers(POPULATION, artifact.key).astype(np.float64)
    return mis.losses_from_confidences(log_softmax(answers, axis=1), labels, log_confidences=True)
