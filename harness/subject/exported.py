"""The files that an audit exports: which there are, where they lie in the run, and their accounts beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import compression
from harness import export as exporting
from harness.config import AuditConfig
from harness.errors import ConfigError, RunError
from harness.store import Run
from harness.subject import candidates
from harness.types import Artifact, TensorSpec
from protos.runtimes import RUNTIMES

if TYPE_CHECKING:
    from harness.subject.trained import TrainedSubject

__all__ = [
    "CANDIDATE",
    "Job",
    "artifacts_of",
    "candidate_jobs",
    "candidates_of",
    "check_jobs",
    "is_whole",
    "jobs_of",
    "place_of",
    "read_artifact",
    "unsupported",
    "write_account",
]

# Begins the name of a model that is a candidate of the MIS indicator.
CANDIDATE = "candidate-"


@dataclass(frozen=True)
class Job:
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


def jobs_of(config: AuditConfig, subject: TrainedSubject) -> list[Job]:
    """Every conversion of the target and the shadows, the target's first."""
    return [
        Job(model, weights, runtime, variants)
        for model in subject.models
        for runtime in config.export.runtimes
        for weights, variants in _by_weights(config.compression.variants, runtime, subject)
    ]


def candidate_jobs(config: AuditConfig) -> list[Job]:
    """Every conversion of the MIS indicator's candidates.

    Raises:
        ConfigError: a quantizer is not known, or the indicator's runtime does not have it.
    """
    if not config.mis.enabled:
        return []
    runtime, jobs = config.mis.runtime, []
    for group in candidates.groups(config):
        for quantizer in group:
            reason = exporting.supports(runtime, quantizer.numerics)
            if reason is not None:
                raise ConfigError(f"mis.quantizers: {quantizer.name!r} on {runtime}: {reason}", hint="leave it out")
        formats = tuple((quantizer.name, quantizer.numerics) for quantizer in group)
        for number in range(config.mis.candidates):
            jobs.append(Job(f"{CANDIDATE}{number:03}", group[0].name, runtime, formats))
    return jobs


def check_jobs(config: AuditConfig) -> None:
    """Raise unless every variant and quantizer is known.

    Raises:
        ConfigError: one is not, or the indicator's runtime does not take one.
    """
    for variant in config.compression.variants:
        compression.parse(variant)
    candidate_jobs(config)


def unsupported(subject: TrainedSubject, variant: str, runtime: str) -> str | None:
    """Why a runtime does not have a variant of this audit's network; None where it has."""
    return _lacks(subject, runtime, compression.parse(variant).numerics)


def artifacts_of(run: Run, jobs: Sequence[Job]) -> list[Artifact]:
    """The exported files of some conversions.

    Raises:
        RunError: an artifact's account is missing or damaged.
    """
    return [read_artifact(run, job.model, variant, job.runtime) for job in jobs for variant, _ in job.variants]


def candidates_of(run: Run, config: AuditConfig) -> list[Artifact]:
    """The exported candidates of the MIS indicator; `variant` is the quantizer."""
    return artifacts_of(run, candidate_jobs(config))


def is_whole(run: Run, job: Job, variant: str) -> bool:
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
            path=place_of(run, model, variant, runtime),
            sha256=value["sha256"],
            size_bytes=value["size_bytes"],
            inputs=tuple(_spec(item) for item in value["inputs"]),
            output=_spec(value["output"]),
            output_kind=value["output_kind"],
            provenance=value["provenance"],
        )
    except (KeyError, TypeError) as error:
        raise RunError(f"{run.folder / name}: damaged: {error}", hint="delete it and run `edgeleak export`") from None


def write_account(run: Run, job: Job, artifact: Artifact) -> None:
    """Write an artifact's account beside it: how it was made, and the digest by which it is known again."""
    account = asdict(artifact) | {"path": artifact.path.name, "provenance": dict(artifact.provenance)}
    run.write_json(_account(job.model, artifact.variant, job.runtime), account)


def place_of(run: Run, model: str, variant: str, runtime: str) -> Path:
    """Where an exported file lies."""
    return run.path("artifacts", model, f"{variant}{RUNTIMES[runtime].suffix}")


def _account(model: str, variant: str, runtime: str) -> str:
    return f"artifacts/{model}/{variant}{RUNTIMES[runtime].suffix}.json"


def _by_weights(
    variants: Sequence[str], runtime: str, subject: TrainedSubject
) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    """Variants made of the same float weights, which share a conversion; those the runtime lacks are left out."""
    parsed = [(name, compression.parse(name)) for name in variants]
    for weights in dict.fromkeys(variant.weights for _, variant in parsed):
        group = tuple(
            (name, variant.numerics)
            for name, variant in parsed
            if variant.weights == weights and _lacks(subject, runtime, variant.numerics) is None
        )
        if group:
            yield weights, group


def _lacks(subject: TrainedSubject, runtime: str, numerics: str) -> str | None:
    """Why a runtime has no such number format for networks of these records; linear layers alone have more formats."""
    kind = subject.dataset.kind
    return exporting.supports(runtime, numerics, convolutions=kind == "image", text=kind == "text")


def _spec(value: dict[str, Any]) -> TensorSpec:
    return TensorSpec(value["name"], value["dtype"], tuple(value["shape"]))
