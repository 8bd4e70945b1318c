"""Several audits together: do their attacks miss AUC 0.5 more often than chance allows?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.audit.stages.attack import score_key
from harness.errors import RunError
from harness.stats import NullCalibration, PooledNull, null_calibration, pool_null
from harness.store import Run
from harness.subject.trained import TARGET, TrainedSubject

__all__ = ["pool"]


def pool(folders: list[Path], *, seed: int = 0) -> tuple[PooledNull, list[dict[str, Any]]]:
    """Pool finished runs, one per seed; independent models, so their misses are independent too.

    Args:
        folders: run folders with the stage `attack` done.
        seed: of the label permutations.

    Returns:
        The pooled calibration, and one row per run.

    Raises:
        RunError: a folder is not a run, or its attacks have not been run.
    """
    calibrations, rows = [], []
    for folder in folders:
        found, null = _calibration(folder, seed=seed)
        calibrations.append(found)
        rows.append({"run": str(folder), "null": null, **found.to_json()})
    if len({row["null"] for row in rows}) > 1:
        raise RunError("some of these runs are null twins and some are not", hint="pool one kind at a time")
    return pool_null(calibrations, seed=seed), rows


def _calibration(folder: Path, *, seed: int) -> tuple[NullCalibration, bool]:
    config = Run.config_of(folder)
    run = Run(folder, config)
    subject = TrainedSubject.load(config, run)
    run.require("attack")
    results = run.read_json("results/attack.json")["results"]
    membership = subject.membership(TARGET, subject.population("audit").ids)
    scores = {score_key(row): run.read_scores(score_key(row)) for row in results}
    return null_calibration(scores, membership, level=config.attack.level, seed=seed), config.null
