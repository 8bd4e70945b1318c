"""Stage `confound`: the audit again with one common mistake built in, to show what the mistake alone produces.

A public implementation of these attacks queries members through the loader that they were trained with, flips and
shifts included, and non-members through the clean one; each model's pass draws anew, so that even the original and its
variant see two different images of a member and the same image of a non-member. Any attack that compares the two then
finds members by the transform, trained on or not. An audit cannot do this; the study does it on purpose.
"""

from __future__ import annotations

import zlib

import numpy as np

from harness import training
from harness.audit.context import Context
from harness.audit.stages.attack import evaluate_all
from harness.audit.stages.collect import gather
from harness.audit.stages.export import artifacts_of
from harness.config import AuditConfig
from harness.store import Run
from harness.subject.trained import TARGET, TrainedSubject
from harness.types import Artifact, Observations, Records

__all__ = ["PLACE", "confound"]

# Where the confounded scores lie in the run, beside the honest ones.
PLACE = "confounded/"
# One attack a family, none with reference models: asking every shadow about every record anew would double the time,
# and the mistake shows without them.
ATTACKS = ("confidence", "gbt", "sr2-rf", "mr-gbt")


def confound(config: AuditConfig, run: Run, context: Context) -> dict[str, object]:
    """Collect the members' answers through the training transform, and attack them.

    Returns:
        What the stage `attack` returns, of a few attacks.
    """
    run.require("export")
    subject = TrainedSubject.load(config, run)
    info = context.device.info()
    wanted = [a for a in artifacts_of(run, config, subject) if a.variant in _variants(config)]
    for artifact in wanted:
        population = "audit" if artifact.model == TARGET else "shadow"
        records = _transformed(subject, artifact, population)
        label = f"collect {artifact.key} through the training transform"
        gather(config, run, context, [artifact], _named(population), records, info=info, label=label)
    return evaluate_all(config, run, context, _observe, names=ATTACKS, place=PLACE)


def _variants(config: AuditConfig) -> tuple[str, ...]:
    return config.study.variants or config.compression.variants


def _transformed(subject: TrainedSubject, artifact: Artifact, population: str) -> Records:
    """The population as the mistaken protocol shows it to one artifact: its model's members flipped and shifted."""
    records = subject.population(population)
    member = subject.membership(artifact.model, records.ids) == 1
    # A seed of its own for each artifact, the same in every process: this is the redrawing.
    seed = zlib.crc32(f"{subject.config.seed}/{artifact.key}".encode())
    inputs = {}
    for name, values in records.inputs.items():
        shown = np.array(values, dtype=np.float32)
        shown[member] = training.augment(shown[member], seed=seed)
        inputs[name] = shown
    return Records(inputs, records.labels, records.ids)


def _observe(run: Run, subject: TrainedSubject, runtime: str) -> tuple[Observations, list[Observations]]:
    target, *shadows = (
        _observed(run, subject, runtime, model, "audit" if model == TARGET else "shadow") for model in subject.models
    )
    return target, shadows


def _observed(run: Run, subject: TrainedSubject, runtime: str, model: str, population: str) -> Observations:
    records = subject.population(population)
    keys = {variant: f"{model}/{variant}/{runtime}" for variant in _variants(subject.config)}
    return Observations(
        labels=records.labels,
        logits={
            variant: run.read_answers(_named(population), key)
            for variant, key in keys.items()
            if run.has_answers(_named(population), key)
        },
        membership=subject.membership(model, records.ids),
        ids=records.ids,
        name=model,
    )


def _named(population: str) -> str:
    return f"{population}-confounded"
