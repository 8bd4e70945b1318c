"""Stage `attack`: answers -> membership scores, measured with intervals; one runtime is one adversary's world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from harness import attacks
from harness.audit.context import Context
from harness.audit.observations import observe
from harness.config import AuditConfig
from harness.stats import null_calibration
from harness.store import Run
from harness.subject.trained import CONTROL, TARGET, TrainedSubject
from harness.types import Observations

__all__ = ["attack", "evaluate_all", "score_key"]

Observer = Callable[[Run, TrainedSubject, str], tuple[Observations, list[Observations]]]


def attack(config: AuditConfig, run: Run, context: Context) -> dict[str, object]:
    """Run every attack on what was collected, per runtime.

    Returns:
        The results, the attacks that lacked an input, and how often their intervals miss AUC 0.5 beside what permuted
        labels would do.
    """
    run.require("collect")
    return evaluate_all(config, run, context, observe, names=config.attack.names)


def evaluate_all(
    config: AuditConfig, run: Run, context: Context, seen: Observer, *, names: Sequence[str] | None, place: str = ""
) -> dict[str, object]:
    """Evaluate attacks on what an adversary sees of each runtime, and keep the scores.

    Args:
        config: the audit.
        run: its open folder.
        context: progress.
        seen: (run, subject, runtime) -> the target's and the shadows' observations.
        names: attacks; None runs the default set.
        place: put before the scores' keys, where these observations are not the audit's own.
    """
    subject = TrainedSubject.load(config, run)
    results: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    scores: dict[str, np.ndarray] = {}
    for runtime in config.export.runtimes:
        target, shadows = seen(run, subject, runtime)
        found = attacks.evaluate(
            target,
            shadows,
            attacks=names,
            controls=(CONTROL,),
            level=config.attack.level,
            fprs=config.attack.fprs,
            families=len(config.export.runtimes),
            seed=config.seed,
            n_jobs=config.jobs or -1,
            progress=context.under(f"attack {place}{runtime}"),
        )
        for result in found.results:
            row = {"runtime": runtime, **result.to_json()}
            scores[score_key(row)] = result.scores
            run.write_scores(place + score_key(row), result.scores)
            results.append(row)
        skipped += [{"runtime": runtime, **item.to_json()} for item in found.skipped]
    records = subject.population("audit")
    calibration = null_calibration(
        scores, subject.membership(TARGET, records.ids), level=config.attack.level, seed=config.seed
    )
    return {"results": results, "skipped": skipped, "null_calibration": calibration.to_json()}


def score_key(row: dict[str, Any]) -> str:
    """Where an attack's scores lie in the run."""
    return f"{row['runtime']}/{row['adversary']}/{row['attack']}/{'+'.join(row['variants'])}"
