"""Stage `export`: every variant of every model, and the indicator's candidates, as files for each runtime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from joblib import delayed

from harness import export as exporting
from harness.audit import engine
from harness.config import AuditConfig
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

__all__ = ["convert", "export"]


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
    tasks = (delayed(convert)(config, run.folder, job) for job in missing)
    for finished in engine.run(tasks, jobs=config.jobs):
        context.progress("export", done + finished, len(jobs))
    return {
        "files": sum(len(job.variants) for job in jobs),
        "unsupported": _unsupported(config, subject),
        "artifacts": [row.to_json() for row in subject.file_results(subject.artifacts(run))],
    }


def _unsupported(config: AuditConfig, subject: TrainedSubject) -> list[dict[str, str]]:
    return [
        {"variant": variant, "runtime": runtime, "reason": reason}
        for runtime in config.export.runtimes
        for variant in config.compression.variants
        if (reason := unsupported(subject, variant, runtime)) is not None
    ]


def convert(config: AuditConfig, folder: Path, job: Job) -> None:
    """Do one conversion, in a process of its own; the accounts of its files are written last.

    Raises:
        ArtifactError: the conversion failed.
    """
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
