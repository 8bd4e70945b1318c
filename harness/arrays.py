"""A look at arrays without a run: attacks on an .npz of answers, the MIS indicator on one of losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness import attacks, mis, stats
from harness.data import answers as attack_arrays
from harness.data import losses as mis_arrays

__all__ = ["attack_file", "mis_file"]

ATTACK_SCHEMA = "edgeleak.attack/1"
MIS_SCHEMA = "edgeleak.mis/1"

Progress = Callable[[str, int, int], None]


def attack_file(
    path: Path,
    *,
    names: Sequence[str] | None = None,
    level: float = 0.95,
    fprs: Sequence[float] = (0.01, 0.001),
    seed: int = 0,
    jobs: int = -1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Attack the answers in an .npz file; its keys are described in `harness.data.answers`.

    Args:
        path: the file.
        names: attacks; None runs the default set.
        level: nominal coverage of the intervals.
        fprs: false-positive rates at which the true-positive rate is reported.
        seed: the same seed gives the same answer.
        jobs: threads; -1 takes every core.
        progress: called with (label, done, total).

    Returns:
        Results, skipped attacks with the reason, and the null calibration, as one JSON object.

    Raises:
        InputError: an array cannot be used; its key is named.
        UnresolvedError: too few records.
    """
    target, shadows = attack_arrays.load(path)
    evaluation = attacks.evaluate(
        target,
        shadows,
        attacks=names,
        level=level,
        fprs=fprs,
        seed=seed,
        n_jobs=jobs,
        progress=None if progress is None else lambda _text, done, total: progress("attack", done, total),
    )
    scores = {result.view.key: result.scores for result in evaluation.results}
    membership = target.membership
    null = (
        stats.null_calibration(scores, membership, level=level, seed=seed)
        if scores and membership is not None
        else None
    )
    return {
        "schema": ATTACK_SCHEMA,
        **evaluation.to_json(),
        "null_calibration": None if null is None else null.to_json(),
    }


def mis_file(path: Path, *, n: int, level: float = 0.95, seed: int = 0) -> dict[str, Any]:
    """Estimate the MIS indicator of the quantizers in an .npz file with keys `losses/<quantizer>`, `[K, N]`.

    Args:
        path: the file.
        n: size of the training set that the indicator is read against.
        level: nominal coverage of the intervals.
        seed: the same seed gives the same answer.

    Raises:
        InputError: an array cannot be used; its key is named.
    """
    losses = mis_arrays.load(path)
    rows = mis.estimate(losses, n=n, level=level, seed=seed)
    n_eval = int(next(iter(losses.values())).shape[1])
    return {"schema": MIS_SCHEMA, "n": n, "n_eval": n_eval, "quantizers": [row.to_json() for row in rows]}
