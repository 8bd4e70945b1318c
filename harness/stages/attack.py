"""Stage `attack`: answers -> membership scores, measured with intervals; one runtime is one adversary's world."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from harness import attacks
from harness.config import AuditConfig
from harness.run import Run
from harness.stages.material import CONTROL, TARGET, Material
from harness.stages.observe import observe
from harness.stages.tools import Tools
from harness.stats import null_calibration

__all__ = ["attack", "score_key"]


def attack(config: AuditConfig, run: Run, tools: Tools) -> dict[str, object]:
    """Run every attack on what was collected, per runtime.

    Returns:
        The results, the attacks that lacked an input, and how often their intervals miss AUC 0.5 beside what permuted
        labels would do.
    """
    run.require("collect")
    material = Material.load(config)
    results: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    scores: dict[str, np.ndarray] = {}
    for runtime in config.export.runtimes:
        target, shadows = observe(run, material, runtime)
        found = attacks.evaluate(
            target,
            shadows,
            attacks=config.attack.names,
            controls=(CONTROL,),
            level=config.attack.level,
            fprs=config.attack.fprs,
            families=len(config.export.runtimes),
            seed=config.seed,
            n_jobs=config.jobs or -1,
            progress=partial(_tell, tools, runtime),
        )
        for result in found.results:
            row = {"runtime": runtime, **result.to_json()}
            scores[score_key(row)] = result.scores
            run.write_scores(score_key(row), result.scores)
            results.append(row)
        skipped += [{"runtime": runtime, **item.to_json()} for item in found.skipped]
    records = material.population("audit")
    calibration = null_calibration(
        scores, material.membership(TARGET, records.ids), level=config.attack.level, seed=config.seed
    )
    return {"results": results, "skipped": skipped, "null_calibration": calibration.to_json()}


def _tell(tools: Tools, runtime: str, _attack: str, done: int, total: int) -> None:
    tools.progress(f"attack {runtime}", done, total)


def score_key(row: dict[str, Any]) -> str:
    """Where an attack's scores lie in the run."""
    return f"{row['runtime']}/{row['adversary']}/{row['attack']}/{'+'.join(row['variants'])}"
