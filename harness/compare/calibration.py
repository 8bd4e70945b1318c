"""Several audits together: do their attacks miss AUC 0.5 more often than chance allows?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.audit.findings import attack_findings
from harness.errors import RunError
from harness.results import NullSummary
from harness.stats import NullCalibration, PooledNull, null_calibration, pool_null
from harness.store import Run

__all__ = ["CalibratedRun", "pool"]


@dataclass(frozen=True)
class CalibratedRun:
    """One run of a pool.

    Args:
        folder: where it lies.
        null: whether it is a null twin.
        summary: how often its attacks' intervals miss AUC 0.5.
    """

    folder: Path
    null: bool
    summary: NullSummary

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {"run": str(self.folder), "null": self.null, **self.summary.to_json()}


def pool(folders: Sequence[Path], *, seed: int = 0) -> tuple[PooledNull, list[CalibratedRun]]:
    """Pool finished runs, one per seed; independent models, so their misses are independent too.

    Args:
        folders: run folders with the stage `attack` done.
        seed: of the label permutations.

    Returns:
        The pooled calibration, and each run's own.

    Raises:
        RunError: a folder is not a run, its attacks have not been run, or some are null twins and some are not.
    """
    calibrations, runs = [], []
    for folder in folders:
        run = Run(folder, Run.config_of(folder))
        calibration = _calibration(run, seed=seed)
        calibrations.append(calibration)
        runs.append(CalibratedRun(folder, run.config.null, calibration.summary()))
    if len({run.null for run in runs}) > 1:
        raise RunError("some of these runs are null twins and some are not", hint="pool one kind at a time")
    return pool_null(calibrations, seed=seed), runs


def _calibration(run: Run, *, seed: int) -> NullCalibration:
    run.require("attack")
    results = attack_findings(run).results
    if not results:
        raise RunError(f"{run.folder}: no attack has a result", hint="audit with attacks that its records suffice for")
    scores = {result.view.key: run.arrays.read_scores(result.view.key) for result in results}
    return null_calibration(
        scores,
        run.arrays.read_membership(),
        level=run.config.attack.level,
        seed=seed,
        design_effects={result.view.key: result.design_effect for result in results},
    )
