"""Exports for which a conversion that fails is an answer: its reason is kept, and it is not tried again."""

from __future__ import annotations

from pathlib import Path

from joblib import delayed

from harness.audit import engine
from harness.audit.context import Context
from harness.audit.stages.export import convert
from harness.config import AuditConfig
from harness.errors import EdgeleakError
from harness.store import Run
from harness.subject.exported import Job, is_whole, jobs_of, place_of
from harness.subject.trained import TrainedSubject

__all__ = ["export_all"]


def export_all(config: AuditConfig, run: Run, context: Context) -> dict[tuple[str, str], str]:
    """Write the files that are missing; formats that share a conversion that fails are tried one by one.

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
    tasks = [delayed(_try)(config, run.folder, Job(*key, tuple(formats))) for key, formats in together.items()]
    context.progress("export", 0, len(tasks))
    for finished in engine.run(tasks, jobs=config.jobs):
        context.progress("export", finished, len(tasks))
    return {
        (job.variants[0][0], job.runtime): _failure(run, job).read_text() for job in jobs if _failure(run, job).exists()
    }


def _try(config: AuditConfig, folder: Path, job: Job) -> None:
    try:
        convert(config, folder, job)
    except EdgeleakError as error:
        if len(job.variants) > 1:
            for one in job.variants:
                _try(config, folder, Job(job.model, job.weights, job.runtime, (one,)))
        else:
            _failure(Run(folder, config), job).write_text(error.message)


def _failure(run: Run, job: Job) -> Path:
    place = place_of(run, job.model, job.variants[0][0], job.runtime)
    return place.with_name(f"{place.name}.failed")
