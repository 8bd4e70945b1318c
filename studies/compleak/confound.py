"""Stage `confound`: the audit again with one common mistake built in, to show what the mistake alone produces.

A public implementation of these attacks queries members through the loader that they were trained with, flips and
shifts included, and non-members through the clean one; each model's pass draws anew, so that even the original and its
variant see two different images of a member and the same image of a non-member. Any attack that compares the two then
finds members by the transform, trained on or not. An audit cannot do this; the study does it on purpose.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness import training
from harness.audit.context import Context
from harness.audit.stages.attack import evaluate_all
from harness.audit.stages.collect import gather
from harness.config import AuditConfig
from harness.store import Run
from harness.subject import AUDIT, CONTROL, TARGET
from harness.subject.trained import TrainedSubject
from harness.types import Artifact, Observations, Records

__all__ = ["PLACE", "confound"]

# Where the confounded scores lie in the run, beside the honest ones.
PLACE = "confounded/"
# One attack a family, none with reference models: asking every shadow about every record anew would double the time,
# and the mistake shows without them.
ATTACKS = ("confidence", "gbt", "sr2-rf", "mr-gbt")


def confound(config: AuditConfig, run: Run, context: Context, *, variants: Sequence[str]) -> dict[str, Any]:
    """Collect the members' answers through the training transform, and attack them.

    Args:
        config: the audit.
        run: its folder, with the answers of stage `collect`.
        context: device and progress.
        variants: which are asked.

    Returns:
        What the stage `attack` returns, of a few attacks.
    """
    run.require("collect")
    subject = TrainedSubject.load(config, run)
    info = context.device.info()
    for artifact in subject.artifacts(run):
        if artifact.variant in variants:
            population = _population(artifact.model)
            records = _transformed(subject, artifact, population)
            label = f"collect {artifact.key} through the training transform"
            gather(config, run, context, [artifact], _confounded(population), records, info=info, label=label)

    def observe(runtime: str) -> tuple[Observations, list[Observations]]:
        target, *shadows = (_observed(run, model, runtime, variants) for model in subject.models)
        return target, shadows

    return evaluate_all(
        config,
        run,
        context,
        observe,
        runtimes=config.export.runtimes,
        controls=(CONTROL,),
        names=ATTACKS,
        place=PLACE,
    ).to_json()


def _population(model: str) -> str:
    """The population whose membership in the model's training set is known."""
    return AUDIT if model == TARGET else "shadow"


def _confounded(population: str) -> str:
    return f"{population}-confounded"


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


def _observed(run: Run, model: str, runtime: str, variants: Sequence[str]) -> Observations:
    population = _population(model)
    keys = {variant: f"{model}/{variant}/{runtime}" for variant in variants}
    return Observations(
        labels=run.arrays.read_labels(population),
        logits={
            variant: run.arrays.read_answers(_confounded(population), key)
            for variant, key in keys.items()
            if run.arrays.has_answers(_confounded(population), key)
        },
        membership=run.arrays.read_membership(population, model),
        ids=run.arrays.read_ids(population),
        name=model,
    )
