"""Stage `export`: every variant of every model, and the indicator's candidates, as files for each runtime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from joblib import delayed

from harness import export as exporting
from harness.audit import engine
from harness.config import AuditConfig
from harness.errors import EdgeleakError
from harness.store import Run
from harness.subject import candidates
from harness.subject.exported import (
    CANDIDATE,
    Job,
    candidate_jobs,
    is_whole,
    jobs_of,
    place_of,
    unsupported,
    write_account,
)
from harness.subject.trained import TrainedSubject, inputs_of

if TYPE_CHECKING:
    from harness.audit.context import Context
    from harness.training import Inputs

__all__ = ["attempt", "export"]


def export(config: AuditConfig, run: Run, context: Context) -> dict[str, Any]:
    """Write the artifacts that are missing or altered, several conversions at a time.

    Returns:
        How many files there are, what the target's hold, and the variants that a runtime does not have, with the
        reason.
    """
    run.require("train")
    subject = TrainedSubject.load(config, run)
    jobs = [*jobs_of(config, subject), *candidate_jobs(config)]
    missing = [job for job in jobs if not all(is_whole(run, job, variant) for variant, _ in job.variants)]
    done = len(jobs) - len(missing)
    context.progress("export", done, len(jobs))
    tasks = (delayed(_convert)(config, run.folder, job) for job in missing)
    for finished in engine.run(tasks, jobs=config.jobs):
        context.progress("export", done + finished, len(jobs))
    return {
        "files": sum(len(job.variants) for job in jobs),
        "unsupported": _unsupported(config, subject),
        "artifacts": [row.to_json() for row in subject.file_results(subject.artifacts(run))],
    }


def attempt(config: AuditConfig, run: Run, context: Context) -> dict[tuple[str, str], str]:
    """Write the artifacts as `export` does, but take a conversion that fails for an answer.

    Formats that share a conversion are then tried one by one; a reason is kept, and not tried again.

    Returns:
        (variant, runtime) -> why there is no file.
    """
    run.require("train")
    jobs = [
        Job(job.model, job.weights, job.runtime, (one,))
        for job in jobs_of(config, TrainedSubject.load(config, run))
        for one in job.variants
    ]
    missing = [job for job in jobs if not (_failure(run, job).exists() or is_whole(run, job, job.variants[0][0]))]
    together: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for job in missing:
        together.setdefault((job.model, job.weights, job.runtime), []).extend(job.variants)
    tasks = [delayed(_attempt)(config, run.folder, Job(*key, tuple(formats))) for key, formats in together.items()]
    context.progress("export", 0, len(tasks))
    for finished in engine.run(tasks, jobs=config.jobs):
        context.progress("export", finished, len(tasks))
    return {
        (job.variants[0][0], job.runtime): _failure(run, job).read_text() for job in jobs if _failure(run, job).exists()
    }


def _attempt(config: AuditConfig, folder: Path, job: Job) -> None:
    try:
        _convert(config, folder, job)
    except EdgeleakError as error:
        if len(job.variants) > 1:
            for one in job.variants:
                _attempt(config, folder, Job(job.model, job.weights, job.runtime, (one,)))
        else:
            _failure(Run(folder, config), job).write_text(error.message)


def _failure(run: Run, job: Job) -> Path:
    place = place_of(run, job.model, job.variants[0][0], job.runtime)
    return place.with_name(f"{place.name}.failed")


def _unsupported(config: AuditConfig, subject: TrainedSubject) -> list[dict[str, str]]:
    return [
        {"variant": variant, "runtime": runtime, "reason": reason}
        for runtime in config.export.runtimes
        for variant in config.compression.variants
        if (reason := unsupported(subject, variant, runtime)) is not None
    ]


def _convert(config: AuditConfig, folder: Path, job: Job) -> None:
    run = Run(folder, config)
    subject = TrainedSubject.load(config, run)
    records = _calibration(subject)
    if job.model.startswith(CANDIDATE):
        number = int(job.model.removeprefix(CANDIDATE))
        model = candidates.load(run, subject, job.weights, number)
        records = None if records is None else candidates.calibration(config, records, number)
    else:
        model = subject.load_model(run, job.model, job.weights)
    artifacts = exporting.export_many(
        model.eval(),
        runtime=job.runtime,
        targets=[
            exporting.Target(v, numerics, place_of(run, job.model, v, job.runtime)) for v, numerics in job.variants
        ],
        sample_shape=subject.dataset.in_shape,
        sample_dtype=subject.dataset.in_dtype,
        calibration=records,
        model_name=job.model,
        cache=run.path("cache"),
    )
    for artifact in artifacts:
        write_account(run, job, artifact)


def _calibration(subject: TrainedSubject) -> Inputs | None:
    ids = subject.split.calibration
    return inputs_of(subject.dataset.take(ids)) if len(ids) else None
