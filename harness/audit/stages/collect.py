"""Stage `collect`: artifacts onto the device, records through them, answers into the run; then parity."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from harness import collection
from harness.audit.context import Context
from harness.audit.stages.export import artifacts_of
from harness.audit.stages.train import reference_path
from harness.config import AuditConfig
from harness.devices import DeviceInfo
from harness.store import Run
from harness.subject.noisy_copies import Noise
from harness.subject.trained import TARGET, TrainedSubject
from harness.types import Artifact, Records

__all__ = ["collect", "gather", "origin_of"]


def collect(config: AuditConfig, run: Run, context: Context) -> dict[str, object]:
    """Ask every artifact of every model about its populations; what was answered before is not asked again.

    Returns:
        The device, each target artifact's accuracy and parity with torch eager, and how the time was spent.
    """
    subject = TrainedSubject.load(config, run)
    run.require("export")
    info = context.device.info()
    artifacts, noise = artifacts_of(run, config, subject), Noise.of(subject)
    wall = kernel = answered = 0
    for model in subject.models:
        mine = [artifact for artifact in artifacts if artifact.model == model]
        for name, records, what in _questions(subject, noise, model):
            times = gather(config, run, context, mine, name, records, info=info, label=f"collect {model}, {what}")
            wall, kernel, answered = wall + times.wall_ns, kernel + times.kernel_ns, answered + times.records
    return {
        "device": {"url": config.device.url, **info.to_json()},
        **({} if noise is None else {"noise": noise.to_json()}),
        "times": {"answers": answered, "wall_ns": wall, "kernel_ns": kernel},
        "artifacts": [_checked(run, subject, artifact) for artifact in artifacts if artifact.model == TARGET],
    }


def _questions(subject: TrainedSubject, noise: Noise | None, model: str) -> Iterator[tuple[str, Records, str]]:
    """What a model is asked about: a population's name in the run, its records, and how progress calls them."""
    for name in subject.populations(model):
        yield name, subject.population(name), f"{name} records"
    if noise is not None:
        name = noise.population_of(model)
        records = subject.population(name)
        for draw in range(noise.draws):
            what = f"{name} records, noisy copy {draw + 1} of {noise.draws}"
            yield noise.name_of(name, draw), noise.copy_of(name, records, draw), what


def gather(
    config: AuditConfig,
    run: Run,
    context: Context,
    artifacts: list[Artifact],
    name: str,
    records: Records,
    *,
    info: DeviceInfo,
    label: str,
) -> collection.CollectionTimes:
    """Collect one population's answers from some artifacts; only those that still have something to say are asked."""
    batch = config.collect.batch_size
    sinks = {
        artifact.key: run.answers(name, artifact, n=len(records), batch=batch, origin=origin_of(info, artifact.runtime))
        for artifact in artifacts
    }
    total = -(-len(records) // batch)
    asked = [artifact for artifact in artifacts if sinks[artifact.key].batches_done() < total]
    if not asked:
        return collection.CollectionTimes(0, 0, 0)
    for artifact in asked:
        context.device.deploy(artifact)
    return collection.collect(
        context.device,
        asked,
        records,
        sinks,
        batch_size=batch,
        clock_ns=time.perf_counter_ns,
        progress=context.progress,
        label=label,
    )


def origin_of(info: DeviceInfo, runtime: str) -> str:
    """The kind of device that answers: machine, processor and runtime decide the bits of an answer."""
    return f"{info.machine} {info.cpu_model} {info.runtimes.get(runtime, runtime)}"


def _checked(run: Run, subject: TrainedSubject, artifact: Artifact) -> dict[str, object]:
    records = subject.population("audit")
    answers = run.read_answers("audit", artifact.key)
    member = subject.membership(TARGET, records.ids) == 1
    reference = np.load(reference_path(run, artifact.variant), allow_pickle=False)
    found = collection.parity(answers, reference)
    level = subject.config.attack.level
    return {
        "variant": artifact.variant,
        "runtime": artifact.runtime,
        "accuracy_members": collection.accuracy(answers[member], records.labels[member], level=level).to_json(),
        "accuracy_nonmembers": collection.accuracy(answers[~member], records.labels[~member], level=level).to_json(),
        "parity": {
            "max_abs_difference": found.max_abs_difference,
            "flips": found.flips,
            "n": found.n,
            "reference": "torch eager, the float weights that the file was made from",
        },
    }
