"""A look at arrays without a run: attacks on an .npz of answers, the MIS indicator on one of losses."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness import __version__, attacks, mis, stats
from harness.config import AttackConfig
from harness.data import answers as attack_arrays
from harness.data import losses as mis_arrays
from harness.data.exposed_outputs import require_usable
from harness.results import AttackFindings

__all__ = ["attack_file", "mis_file"]

ATTACK_SCHEMA = "edgeleak.attack/1"
MIS_SCHEMA = "edgeleak.mis/1"

Progress = Callable[[str, int, int], None]


def attack_file(
    path: Path,
    *,
    names: Sequence[str] | None = None,
    settings: AttackConfig | None = None,
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
        settings: what the app shows of its answers; None for confidence vectors.
        level: nominal coverage of the intervals.
        fprs: false-positive rates at which the true-positive rate is reported.
        seed: the same seed gives the same answer.
        jobs: threads; -1 takes every core.
        progress: called with (label, done, total).

    Returns:
        What :class:`harness.results.AttackFindings` holds and what it was made with, as one JSON object.

    Raises:
        InputError: an array cannot be used; its key is named.
        UnresolvedError: too few records.
        UsageError: an attack is not known, or needs more than the app shows.
    """
    exposure = attack_arrays.exposure_of(path, settings or AttackConfig())
    require_usable(names, exposure)
    target, shadows = attack_arrays.load(path, exposure)
    target = target.ordinary  # an audit with a run looks at canaries, alone
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
    effects = {result.view.key: result.design_effect for result in evaluation.results}
    membership = target.membership
    null = (
        stats.null_calibration(scores, membership, level=level, seed=seed, design_effects=effects)
        if scores and membership is not None
        else None
    )
    findings = AttackFindings(
        results=evaluation.results,
        skipped=evaluation.skipped,
        null=None if null is None else null.summary(),
        increases=evaluation.increases,
        corrections={} if evaluation.correction is None else {"": evaluation.correction},
    )
    made_with = {**_made_with(path, seed), "exposure": exposure.to_json()}
    return {"schema": ATTACK_SCHEMA, **made_with, **findings.to_json()}


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
    quantizers = [row.to_json() for row in rows]
    return {"schema": MIS_SCHEMA, **_made_with(path, seed), "n": n, "n_eval": n_eval, "quantizers": quantizers}


def _made_with(path: Path, seed: int) -> dict[str, object]:
    """What whoever repeats it needs, under the keys that a report has: version, seed and the file's SHA-256."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"edgeleak": __version__, "seed": seed, "inputs_sha256": [digest]}
