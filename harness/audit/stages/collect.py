"""Stage `collect`: files onto the device, records through them, answers into the run; then accuracy and parity."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness import collection, subject
from harness.audit.accuracy import accuracies
from harness.audit.context import Context
from harness.config import AuditConfig
from harness.data.exposed_outputs import VECTOR, Exposure
from harness.devices import DeviceInfo
from harness.results import ArtifactResult
from harness.store import Run
from harness.subject import AUDIT, TARGET, observations
from harness.subject._protocol import Subject
from harness.subject.observations import Evidence
from harness.subject.queries import QUERIES, Query, needed
from harness.types import Artifact, Records

__all__ = ["collect", "gather"]

# A batch of large records is made smaller than the configured one, so that a message stays far below its limit.
MAX_BATCH_BYTES = 16 << 20


def collect(config: AuditConfig, run: Run, context: Context) -> dict[str, Any]:
    """Ask every file of every model about its populations; what was answered before is not asked again.

    Labels, ids and memberships of the populations are written into the run, and last of all who was asked about what:
    from here on no stage reads a data set.

    Returns:
        The device, each target file's accuracy and parity, and how the time was spent.
    """
    audited = subject.load(config, run)
    if config.kind == "trained":
        run.require("export")
    info = context.device.info()
    evidence = audited.evidence()
    queries = _queries(audited, evidence)
    artifacts = audited.prepare(context.device, audited.artifacts(run))
    if config.kind != "trained":
        # Records that did not fit may be mended in place: the run is bound to files that go together.
        audited.keep(run)
    exposure = Exposure.of(config.attack)
    run.write_json("data.json", audited.summary() | {"exposure": exposure.to_json()})
    wall = kernel = answered = 0
    for model in dict.fromkeys(artifact.model for artifact in artifacts):
        mine = [artifact for artifact in artifacts if artifact.model == model]
        for name, records, what in _questions(audited, evidence, queries, model):
            times = gather(config, run, context, mine, name, records, info=info, label=f"collect {model}, {what}")
            wall, kernel, answered = wall + times.wall_ns, kernel + times.kernel_ns, answered + times.records
    _keep_populations(run, audited, evidence)
    target = [artifact for artifact in artifacts if artifact.model == TARGET]
    outputs = {one.key: audited.output_form(one, run.arrays.read_answers(AUDIT, one.key)) for one in target}
    replace(
        evidence,
        outputs={f"{one.variant}/{one.runtime}": outputs[one.key][0] for one in target},
        queries={need: query.to_json() for need, query in queries.items()},
        exposure=exposure,
    ).write(run)
    return {
        "device": {
            "url": config.device.url,
            **info.to_json(),
            **({"shared_by": list(context.shares)} if context.shares else {}),
        },
        "times": {"answers": answered, "wall_ns": wall, "kernel_ns": kernel},
        "artifacts": [row.to_json() for row in _results(config, run, audited, target, outputs)],
    }


def gather(
    config: AuditConfig,
    run: Run,
    context: Context,
    artifacts: Sequence[Artifact],
    name: str,
    records: Records,
    *,
    info: DeviceInfo,
    label: str,
) -> collection.CollectionTimes:
    """Collect one population's answers from some files; only those that have not answered all of it are asked."""
    batch = _batch_size(config, records)
    sinks = {
        artifact.key: run.arrays.answers(
            name, artifact, n=len(records), batch=batch, origin=_origin(info, artifact.runtime)
        )
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


def _origin(info: DeviceInfo, runtime: str) -> str:
    """The kind of device that answers: machine, processor and runtime decide the bits of an answer."""
    return f"{info.machine} {info.cpu_model} {info.runtimes.get(runtime, runtime)}"


def _queries(audited: Subject, evidence: Evidence) -> dict[str, Query]:
    """The special queries that the audit's attacks need, and what the app shows."""
    needs = needed(audited.config.attack)
    return {need: query.of(audited, evidence.fitted_on) for need, query in QUERIES.items() if need in needs}


def _questions(
    audited: Subject, evidence: Evidence, queries: Mapping[str, Query], model: str
) -> Iterator[tuple[str, Records, str]]:
    """What a model is asked about: a population's name in the run, its records, and how progress calls them."""
    names = evidence.populations_of(model)
    for name in names:
        yield name, audited.population(name), f"{name} records"
    own = [one.population for one in evidence.asked if one.model == model]
    for query in queries.values():
        for name in names if query.of_references else own:
            yield from query.copies(name, audited.population(name))


def _keep_populations(run: Run, audited: Subject, evidence: Evidence) -> None:
    models = (evidence.target.model, *(one.model for one in evidence.shadows))
    for name in dict.fromkeys(name for model in models for name in evidence.populations_of(model)):
        records = audited.population(name)
        run.arrays.write_population(name, labels=records.labels, ids=records.ids)
        run.arrays.write_groups(name, records.groups)
        for model in models:
            run.arrays.write_membership(
                name,
                model,
                membership=audited.membership(model, records.ids),
                training=audited.training(model, records.ids),
            )


def _results(
    config: AuditConfig,
    run: Run,
    audited: Subject,
    target: Sequence[Artifact],
    outputs: Mapping[str, tuple[str, str]],
) -> Iterator[ArtifactResult]:
    """One row a file of the target: accuracy, parity and how its answers are read."""
    # An exported file's account was read by the stage that wrote it.
    held = [] if config.kind == "trained" else audited.file_results(target)
    files = {(row.variant, row.runtime): row for row in held}
    level = config.attack.level
    for runtime in dict.fromkeys(artifact.runtime for artifact in target):
        own, _ = observations.read(run, runtime, VECTOR)  # a file is as accurate as it answers
        rows = {row.variant: row for row in accuracies(own, runtime=runtime, level=level)}
        for artifact in (one for one in target if one.runtime == runtime):
            row = rows[artifact.variant]
            reference = audited.reference(run, artifact.variant)
            if reference is not None:
                name, answers = reference
                parity = collection.parity(run.arrays.read_answers(AUDIT, artifact.key), answers, name=name)
                row = replace(row, parity=parity)
            file = files.get((artifact.variant, runtime))
            yield replace(row if file is None else file.merged(row), outputs=outputs[artifact.key][1])


def _batch_size(config: AuditConfig, records: Records) -> int:
    record_bytes = sum(values[:1].nbytes for values in records.inputs.values())
    return max(1, min(config.collect.batch_size, MAX_BATCH_BYTES // max(1, record_bytes)))
