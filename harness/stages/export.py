"""Stage `export`: every variant of every model, and the indicator's candidates, as files for each runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import delayed
from numpy.typing import NDArray

from harness import compression, training
from harness import export as exporting
from harness.config import AuditConfig
from harness.errors import ConfigError, RunError
from harness.run import Run
from harness.stages.material import TARGET, Material, weights_of
from harness.stages.parallel import each
from harness.stages.train import candidate_path
from harness.types import Artifact, TensorSpec

if TYPE_CHECKING:
    from harness.stages.tools import Tools

__all__ = ["artifacts_of", "candidates_of", "check_jobs", "export", "rows_of"]


@dataclass(frozen=True)
class _Job:
    """One conversion: a model's weights for one runtime, in every number format that is made of them.

    Args:
        model: `target`, `shadow-K` or `candidate-K`.
        weights: the variant whose float weights are converted.
        runtime: the runtime.
        variants: (variant, number format) of the files that come of it.
    """

    model: str
    weights: str
    runtime: str
    variants: tuple[tuple[str, str], ...]


def export(config: AuditConfig, run: Run, tools: Tools) -> dict[str, object]:
    """Write the artifacts that are missing or altered, several conversions at a time.

    Returns:
        How many files there are, and the variants that a runtime does not have, with the reason.
    """
    run.require("train")
    material = Material.load(config)
    jobs = [*_jobs(config, material), *_candidate_jobs(config)]
    missing = [job for job in jobs if not all(_is_whole(run, job, variant) for variant, _ in job.variants)]
    done = len(jobs) - len(missing)
    tools.progress("export", done, len(jobs))
    tasks = (delayed(_convert)(config, run.folder, job) for job in missing)
    for finished in each(tasks, jobs=config.jobs):
        tools.progress("export", done + finished, len(jobs))
    return {"files": sum(len(job.variants) for job in jobs), "unsupported": _unsupported(config)}


def check_jobs(config: AuditConfig) -> None:
    """Raise unless every variant and quantizer is known.

    Raises:
        ConfigError: one is not, or the indicator's runtime does not take one.
    """
    for variant in config.compression.variants:
        compression.parse(variant)
    _candidate_jobs(config)


def artifacts_of(run: Run, config: AuditConfig, material: Material) -> list[Artifact]:
    """The exported artifacts of every model, the target's first.

    Raises:
        RunError: an artifact's account is missing or damaged.
    """
    jobs = _jobs(config, material)
    return [_read(run, job.model, variant, job.runtime) for job in jobs for variant, _ in job.variants]


def candidates_of(run: Run, config: AuditConfig) -> list[Artifact]:
    """The exported candidates of the MIS indicator; `variant` is the quantizer."""
    jobs = _candidate_jobs(config)
    return [_read(run, job.model, variant, job.runtime) for job in jobs for variant, _ in job.variants]


def rows_of(run: Run, config: AuditConfig, material: Material) -> list[dict[str, Any]]:
    """What the target's files hold, one row a file: sizes, share of zeros, distinct values, read back from the file."""
    return [_row(artifact) for artifact in artifacts_of(run, config, material) if artifact.model == TARGET]


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


def _jobs(config: AuditConfig, material: Material) -> list[_Job]:
    return [
        _Job(model, weights, runtime, variants)
        for model in material.models
        for runtime in config.export.runtimes
        for weights, variants in _by_weights(config.compression.variants, runtime)
    ]


def _by_weights(variants: Sequence[str], runtime: str) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    """Variants made of the same float weights, which share a conversion; those the runtime lacks are left out."""
    wanted = [(weights_of(variant), variant, compression.parse(variant).numerics) for variant in variants]
    for weights in dict.fromkeys(item[0] for item in wanted):
        group = tuple((v, n) for w, v, n in wanted if w == weights and exporting.supports(runtime, n) is None)
        if group:
            yield weights, group


def _candidate_jobs(config: AuditConfig) -> list[_Job]:
    if not config.mis.enabled:
        return []
    formats = []
    for quantizer in config.mis.quantizers:
        if quantizer not in compression.NUMERICS:
            raise ConfigError(
                f"mis.quantizers: {quantizer!r} is not known", hint=f"one of: {', '.join(compression.NUMERICS)}"
            )
        reason = exporting.supports(config.mis.runtime, quantizer)
        if reason is not None:
            raise ConfigError(f"mis.quantizers: {quantizer!r} on {config.mis.runtime}: {reason}", hint="leave it out")
        formats.append((quantizer, quantizer))
    return [
        _Job(f"candidate-{number:03}", str(number), config.mis.runtime, tuple(formats))
        for number in range(config.mis.candidates)
    ]


def _unsupported(config: AuditConfig) -> list[dict[str, str]]:
    return [
        {"variant": variant, "runtime": runtime, "reason": reason}
        for runtime in config.export.runtimes
        for variant in config.compression.variants
        if (reason := exporting.supports(runtime, compression.parse(variant).numerics)) is not None
    ]


def _convert(config: AuditConfig, folder: Path, job: _Job) -> None:
    run, material = Run(folder, config), Material.load(config)
    if job.model.startswith("candidate-"):
        model = material.build(seed=0)
        model.load_state_dict(training.load_weights(candidate_path(run, int(job.weights))))
    else:
        model = material.load_model(run, job.model, job.weights)
    made = exporting.export_many(
        model.eval(),
        runtime=job.runtime,
        targets=[exporting.Target(v, numerics, _place(run, job.model, v, job.runtime)) for v, numerics in job.variants],
        sample_shape=material.dataset.in_shape,
        calibration=_calibration(material),
        model_name=job.model,
    )
    for artifact in made:
        account = asdict(artifact) | {"path": artifact.path.name, "provenance": dict(artifact.provenance)}
        run.write_json(_account(job.model, artifact.variant, job.runtime), account)


def _calibration(material: Material) -> NDArray[np.float32] | None:
    ids = material.split.calibration
    if not len(ids):
        return None
    (inputs,) = material.dataset.take(ids).inputs.values()
    return np.asarray(inputs, dtype=np.float32)


def _is_whole(run: Run, job: _Job, variant: str) -> bool:
    """Whether the file is there, and has the bytes that its account names."""
    try:
        artifact = _read(run, job.model, variant, job.runtime)
        return hashlib.sha256(artifact.path.read_bytes()).hexdigest() == artifact.sha256
    except (RunError, OSError):
        return False


def _read(run: Run, model: str, variant: str, runtime: str) -> Artifact:
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
