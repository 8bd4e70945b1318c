"""Scores of records that have no part in an evaluation: an attack fitted on others looks at them alone."""

from __future__ import annotations

from collections.abc import Sequence

import joblib
import numpy as np
import threadpoolctl  # type: ignore[import-untyped]

from harness.attacks._base import DEFAULT_FOLDS
from harness.attacks._cache import Cache
from harness.attacks._evaluate import OPENMP_THREADS
from harness.attacks._registry import attack_class
from harness.errors import InputError
from harness.types import FloatArray, Observations, View

__all__ = ["score_apart"]


def score_apart(
    view: View,
    fitted_on: Sequence[Observations],
    records: Observations,
    *,
    original: str = "original",
    seed: int = 0,
    n_jobs: int = 1,
) -> FloatArray:
    """Fit one attack on observations whose membership is known, and score other records, float64 ``[n]``.

    Args:
        view: the attack, and what it sees.
        fitted_on: shadow models on their own records or, where there are none, the target on its ordinary ones.
        records: the target on the records to score; nobody looks at their membership.
        original: name of the uncompressed variant.
        seed: of every random choice; the same seed gives the same bits.
        n_jobs: threads that grow forests; -1 takes every core.

    Raises:
        UsageError, UnresolvedError: the attack lacks an input, or there are too few records.
        InputError: a score is not finite.
    """
    attack = attack_class(view.attack)(
        view.variants,
        original=original,
        seed=seed,
        n_jobs=joblib.effective_n_jobs(n_jobs),
        folds=DEFAULT_FOLDS,
        cache=Cache(records),
    )
    with threadpoolctl.threadpool_limits(limits=OPENMP_THREADS):
        scores = attack.fit(fitted_on).score(records)
    if not np.isfinite(scores).all():
        raise InputError(f"attack {view.attack!r} gave a record a score that is not finite")
    return scores
