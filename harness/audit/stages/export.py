"""Stage `export`: every variant of every model, and the indicator's candidates, as files for each runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import delayed

from harness import compression
from harness import export as exporting
from harness.audit import engine
from harness.config import AuditConfig
from harness.errors import ConfigError, EdgeleakError, RunError
from harness.store import Run
from harness.subject import candidates
from harness.subject.trained import TARGET, TrainedSubject, inputs_of, weights_of
from harness.training import Inputs
from harness.types import Artifact, TensorSpec

if TYPE_CHECKING:
    from harness.audit.context import Context

__all__ = [
    "artifacts_of",
    "attempt",
    "candidates_of",
    "check_jobs",
    "export",
    "read_artifact",
    "rows_of",
    "unsupported",
]

CANDIDATE = "candidate-"


@dataclass(frozen=True)
class _Job:
    """One conversion: a model's weights for one runtime, in every number format that is made of them.

    Args:
        model: `target`, `shadow-K` or `candidate-K`.
        weights: the variant whose float weights are converted; of a candidate, the quantizer that they are made for.
        runtime: the runtime.
        variants: (variant, number format) of the files that come of it.
    """

    model: str
    weights: str
    runtime: str
    variants: tuple[tuple[str, str], ...]


def export(config: AuditConfig, run: Run, context: Context) -> dict[str, object]:
    """Write the artifacts that are missing or altered, several conversions at a time.

    Returns:
        How many files there are, and the variants that a runtime does not have, with the reason.
    """
    run.require("train")
    subject = TrainedSubject.load(config, run)
    jobs = [*_jobs(config, subject), *_candidate_jobs(config)]
    missing = [job for job in jobs if not all(_is_whole(run, job, variant) for variant, _ in job.variants)]
    done = len(jobs) - len(missing)
    context.progress("export", done, len(jobs))
    tasks = (delayed(_convert)(config, run.folder, job) for job in missing)
    for finished in engine.run(tasks, jobs=config.jobs):
        context.progress("export", done + finished, len(jobs))
    return {"files": sum(len(job.variants) for job in jobs), "unsupported": _unsupported(config, subject)}


def attempt(config: AuditConfig, run: Run, context: Context) -> dict[tuple[str, str], str]:
    """Write the artifacts as `export` does, but take a conversion that fails for an answer.

    Formats that share a conversion are then tried one by one; a reason is kept, and not tried again.

    Returns:
        (variant, runtime) -> why there is no file.
    """
    run.require("train")
    jobs = [
        _Job(job.model, job.weights, job.runtime, (one,))
        for job in _jobs(config, TrainedSubject.load(config, run))
        for one in job.variants
    ]
    missing = [job for job in jobs if not (_failure(run, job).exists() or _is_whole(run, job, job.variants[0][0]))]
    together: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for job in missing:
        together.setdefault((job.model, job.weights, job.runtime), []).extend(job.variants)
    tasks = [delayed(_attempt)(config, run.folder, _Job(*key, tuple(found))) for key, found in together.items()]
    context.progress("export", 0, len(tasks))
    for finished in engine.run(tasks, jobs=config.jobs):
        context.progress("export", finished, len(tasks))
    return {
        (job.variants[0][0], job.runtime): _failure(run, job).read_text() for job in jobs if _failure(run, job).exists()
    }


def _attempt(config: AuditConfig, folder: Path, job: _Job) -> None:
    try:
        _convert(config, folder, job)
    except EdgeleakError as error:
        if len(job.variants) > 1:
            for one in job.variants:
                _attempt(config, folder, _Job(job.model, job.weights, job.runtime, (one,)))
        else:
            _failure(Run(folder, config), job).write_text(error.message)


def _failure(run: Run, job: _Job) -> Path:
    place = _place(run, job.model, job.variants[0][0], job.runtime)
    return place.with_name(f"{place.name}.failed")


def check_jobs(config: AuditConfig) -> None:
    """Raise unless every variant and quantizer is known.

    Raises:
        ConfigError: one is not, or the indicator's runtime does not take one.
    """
    for variant in config.compression.variants:
        compression.parse(variant)
    _candidate_jobs(config)


def artifacts_of(run: Run, config: AuditConfig, subject: TrainedSubject) -> list[Artifact]:
    """The exported artifacts of every model, the target's first.

    Raises:
        RunError: an artifact's account is missing or damaged.
    """
    jobs = _jobs(config, subject)
    return [read_artifact(run, job.model, variant, job.runtime) for job in jobs for variant, _ in job.variants]


def candidates_of(run: Run, config: AuditConfig) -> list[Artifact]:
    """The exported candidates of the MIS indicator; `variant` is the quantizer."""
    jobs = _candidate_jobs(config)
    return [read_artifact(run, job.model, variant, job.runtime) for job in jobs for variant, _ in job.variants]


def rows_of(run: Run, config: AuditConfig, subject: TrainedSubject) -> list[dict[str, Any]]:
    """What the target's files hold, one row a file: sizes, share of zeros, distinct values, read back from the file."""
    return [_row(artifact) for artifact in artifacts_of(run, config, subject) if artifact.model == TARGET]


def _row(artifact: Artifact) -> dict[str, Any]:
    provenance: Any = artifact.provenance
    weights = provenance["weights"]
    sizes = [int(np.prod(w["shape"])) for w in weights]
    zeros = float(np.average([w["share_zeros"] for w in weights], weights=sizes))
    return {
        "variant": artifact.variant,
        "runtime": artifact.runtime,
        "sha256": artifact.sha256,
        "size_bytes": artifact.size_bytes,
        "zip_bytes": provenance["size_zip_bytes"],
        "tensors": len(weights),
        "share_zeros": zeros,
        "distinct_values": [w["distinct_values"] for w in weights],
        "weights": weights,
    }


def _jobs(config: AuditConfig, subject: TrainedSubject) -> list[_Job]:
    return [
        _Job(model, weights, runtime, variants)
        for model in subject.models
        for runtime in config.export.runtimes
        for weights, variants in _by_weights(config.compression.variants, runtime, subject)
    ]


def _lacks(subject: TrainedSubject, runtime: str, numerics: str) -> str | None:
    """Why a runtime has no such number format for networks of these records; linear layers alone have more formats."""
    kind = subject.dataset.kind
    return exporting.supports(runtime, numerics, convolutions=kind == "image", text=kind == "text")


def _by_weights(
    variants: Sequence[str], runtime: str, subject: TrainedSubject
) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    """Variants made of the same float weights, which share a conversion; those the runtime lacks are left out."""
    wanted = [(weights_of(variant), variant, compression.parse(variant).numerics) for variant in variants]
    for weights in dict.fromkeys(item[0] for item in wanted):
        group = tuple((v, n) for w, v, n in wanted if w == weights and _lacks(subject, runtime, n) is None)
        if group:
            yield weights, group


def _candidate_jobs(config: AuditConfig) -> list[_Job]:
    if not config.mis.enabled:
        return []
    runtime, found = config.mis.runtime, []
    for group in candidates.groups(config):
        for quantizer in group:
            reason = exporting.supports(runtime, quantizer.numerics)
            if reason is not None:
                raise ConfigError(f"mis.quantizers: {quantizer.name!r} on {runtime}: {reason}", hint="leave it out")
        formats = tuple((quantizer.name, quantizer.numerics) for quantizer in group)
        for number in range(config.mis.candidates):
            found.append(_Job(f"{CANDIDATE}{number:03}", group[0].name, runtime, formats))
    return found


def _unsupported(config: AuditConfig, subject: TrainedSubject) -> list[dict[str, str]]:
    return [
        {"variant": variant, "runtime": runtime, "reason": reason}
        for runtime in config.export.runtimes
        for variant in config.compression.variants
        if (reason := unsupported(subject, variant, runtime)) is not None
    ]


def unsupported(subject: TrainedSubject, variant: str, runtime: str) -> str | None:
    """Why a runtime does not have a variant of this audit's network; None where it has."""
    return _lacks(subject, runtime, compression.parse(variant).numerics)


def _convert(config: AuditConfig, folder: Path, job: _Job) -> None:
    run = Run(folder, config)
    subject = TrainedSubject.load(config, run)
    records = _calibration(subject)
    if job.model.startswith(CANDIDATE):
        number = int(job.model.removeprefix(CANDIDATE))
        model = candidates.load(run, subject, job.weights, number)
        records = None if records is None else candidates.calibration(config, records, number)
    else:
        model = subject.load_model(run, job.model, job.weights)
    made = exporting.export_many(
        model.eval(),
        runtime=job.runtime,
        targets=[exporting.Target(v, numerics, _place(run, job.model, v, job.runtime)) for v, numerics in job.variants],
        sample_shape=subject.dataset.in_shape,
        sample_dtype=subject.dataset.in_dtype,
        calibration=records,
        model_name=job.model,
        cache=run.path("cache"),
    )
    for artifact in made:
        account = asdict(artifact) | {"path": artifact.path.name, "provenance": dict(artifact.provenance)}
        run.write_json(_account(job.model, artifact.variant, job.runtime), account)


def _calibration(subject: TrainedSubject) -> Inputs | None:
    ids = subject.split.calibration
    return inputs_of(subject.dataset.take(ids)) if len(ids) else None


def _is_whole(run: Run, job: _Job, variant: str) -> bool:
    """Whether the file is there, and has the bytes that its account names."""
    try:
        artifact = read_artifact(run, job.model, variant, job.runtime)
        return hashlib.sha256(artifact.path.read_bytes()).hexdigest() == artifact.sha256
    except (RunError, OSError):
        return False


def read_artifact(run: Run, model: str, variant: str, runtime: str) -> Artifact:
    """One exported artifact.

    Raises:
        RunError: its account is missing or damaged.
    """
    name = _account(model, variant, runtime)
    value = run.read_json(name)
    try:
        return Artifact(
            model=model,
            variant=variant,
            runtime=runtime,
            path=_place(run, model, variant, runtime),
            sha256=value["sha256"],
            size_bytes=value["size_bytes"],
            inputs=tuple(_spec(item) for item in value["inputs"]),
            output=_spec(value["output"]),
            output_kind=value["output_kind"],
            provenance=value["provenance"],
        )
    except (KeyError, TypeError) as error:
        raise RunError(f"{run.folder / name}: damaged: {error}", hint="delete it and run `edgeleak export`") from None


def _spec(value: dict[str, Any]) -> TensorSpec:
    return TensorSpec(value["name"], value["dtype"], tuple(value["shape"]))


def _place(run: Run, model: str, variant: str, runtime: str) -> Path:
    return run.path("artifacts", model, f"{variant}{exporting.SUFFIXES[runtime]}")


def _account(model: str, variant: str, runtime: str) -> str:
    return f"artifacts/{model}/{variant}{exporting.SUFFIXES[runtime]}.json"
