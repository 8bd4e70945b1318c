"""Finished runs by hand: scores of records that have ids, and what the stage `attack` would have found of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.config import AuditConfig
from harness.results import AttackFindings, Measures, Result
from harness.stats import auc
from harness.store import Run
from harness.subject import AUDIT, TARGET
from harness.types import Estimate, FloatArray, IntArray, View

__all__ = ["finished_run", "scores"]

CONFIG = AuditConfig(name="x")


def scores(auc_of: float, membership: IntArray, *, seed: int, common: FloatArray | None = None) -> FloatArray:
    """Normal scores whose AUC is about this; what they have in common with others makes them move together."""
    noise = np.random.default_rng(seed).normal(size=len(membership))
    shared = noise if common is None else 0.95 * common + np.sqrt(1 - 0.95**2) * noise
    shift = np.sqrt(2.0) * float(_quantile(auc_of))
    return np.asarray(shared + shift * membership)


def _quantile(share: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(share)


def finished_run(
    folder: Path, found: Mapping[View, FloatArray], membership: IntArray, *, ids: Sequence[int] | None = None
) -> Run:
    """A run that holds the scores of these views, each with its AUC."""
    run = Run.open(folder, CONFIG)
    with run:
        arrays = run.arrays
        order = np.arange(len(membership)) if ids is None else np.asarray(ids)
        arrays.write_population(AUDIT, labels=np.zeros(len(membership), dtype=np.int64), ids=order.astype(np.int64))
        arrays.write_membership(AUDIT, TARGET, membership=membership, training=membership)
        for view, values in found.items():
            arrays.write_scores(view.key, values)
        results = tuple(_result(view, values, membership, len(found)) for view, values in found.items())
        run.write_json("results/attack.json", AttackFindings(results).to_json())
        run.finish("attack", 0.0)
    return run


def _result(view: View, values: FloatArray, membership: IntArray, figures: int) -> Result:
    none = Estimate.unknown()
    own = Measures(
        auc=auc(values, membership), balanced_accuracy=none, tpr_at_fpr={}, epsilon_lower=none, versus_original=None
    )
    at_once = auc(values, membership, level=1.0 - 0.05 / figures)
    n = int(membership.sum())
    return Result(
        view=view,
        trained_on="shadows",
        n_members=n,
        n_nonmembers=len(membership) - n,
        simultaneous=replace(own, auc=at_once),
        versus_attack=None,
        is_control=False,
        threshold=float("nan"),
        shadow_auc=float("nan"),
        **vars(own),
    )
