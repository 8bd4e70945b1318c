"""Stage `attack`: answers -> membership scores, measured with intervals; one runtime is one adversary's world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from harness import attacks
from harness.config import AuditConfig
from harness.run import Run
from harness.stages.material import CONTROL, TARGET, Material
from harness.stages.observe import observe
from harness.stages.tools import Tools
from harness.stats import null_calibration
from harness.types import Observations

__all__ = ["attack", "evaluate_all", "score_key"]

Observer = Callable[[Run, Material, str], tuple[Observations, list[Observations]]]


def attack(config: AuditConfig, run: Run, tools: Tools) -> dict[str, object]:
    """Run every attack on what was collected, per runtime.

    Returns:
        The results, the attacks that lacked an input, and how often their intervals miss AUC 0.5 beside what permuted
        labels would do.
    """
    run.require("collect")
    return evaluate_all(config, run, tools, observe, names=config.attack.names)


def evaluate_all(
    config: AuditConfig, run: Run, tools: Tools, seen: Observer, *, names: Sequence[str] | None, place: str = ""
) -> dict[str, object]:
    """Evaluate attacks on what an adversary sees of each runtime, and keep the scores.

    Args:
        config: the audit.
        run: its open folder.
        tools: progress.
        seen: (run, material, runtime) -> the target's and the shadows' observations.
        names: attacks; None runs the default set.
        place: put before the scores' keys, where these observations are not the audit's own.
    """
    material = Material.load(config, run)
    results: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    scores: dict[str, np.ndarray] = {}
    for runtime in config.export.runtimes:
        target, shadows = seen(run, material, runtime)
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
            progress=tools.under(f"attack {place}{runtime}"),
        )
        for result in found.results:
            row = {"runtime": runtime, **result.to_json()}
            scores[score_key(row)] = result.scores
            run.write_scores(place + score_key(row), result.scores)
            results.append(row)
        skipped += [{"runtime": runtime, **item.to_json()} for item in found.skipped]
    records = material.population("audit")
    calibration = null_calibration(
        scores, material.membership(TARGET, records.ids), level=config.attack.level, seed=config.seed
    )
    return {"results": results, "skipped": skipped, "null_calibration": calibration.to_json()}


def score_key(row: dict[str, Any]) -> str:
    """Where an attack's scores lie in the run."""
    return f"{row['runtime']}/{row['adversary']}/{row['attack']}/{'+'.join(row['variants'])}"
