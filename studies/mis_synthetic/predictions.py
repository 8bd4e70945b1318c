"""What an audit of one training set would print for each quantizer, by every way to generate its candidates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness import mis
from harness.compression.grids import Grid
from harness.types import FloatArray
from studies.mis_synthetic import floats, near_codes
from studies.mis_synthetic.learners import Learner, Records

__all__ = ["CANDIDATES", "GENERATORS", "Budget", "by_candidates", "by_coordinates"]

Row = dict[str, Any]
# In the order of the page: float weights that are rounded, codes near the deployed one, and no candidates at all.
CANDIDATES = ("trajectory", "bootstrap", "perturbation", "flips", "side by side", "joint flips")
GENERATORS = (*CANDIDATES, "coordinates", "coordinates by cells")
# Splits behind the indicator, which is read without an interval here.
SPLITS = 5


@dataclass(frozen=True)
class Budget:
    """What an audit spends.

    Args:
        candidates: of every generator, the deployed model among them.
        side_by_side: codes of the flips that are taken side by side.
    """

    candidates: int
    side_by_side: int


def by_candidates(
    learner: Learner,
    training: Records,
    grids: Mapping[str, Grid],
    evaluation: Records,
    *,
    budget: Budget,
    seed: int,
) -> dict[str, dict[str, Row]]:
    """Predicted leakage of every quantizer by every generator of candidates, from one training set.

    Args:
        learner: what was trained.
        training: the training records; the leakage is predicted for as many.
        grids: quantizer -> levels, calibrated before.
        evaluation: held-out records, on which the candidates' losses are measured.
        budget: how many candidates.
        seed: of everything that is drawn.

    Returns:
        quantizer -> generator -> ``delta`` (value, low, high; null where nothing was probed), ``status``, ``r`` (null
        without candidates), ``k`` candidates that differ.
    """
    noise, sgd = np.random.default_rng([seed, len(training)]).spawn(2)
    weights = {
        "trajectory": floats.trajectory(learner, training, budget.candidates, sgd),
        "bootstrap": floats.bootstrap(learner, training, budget.candidates, seed),
        "perturbation": floats.perturbation(learner, training, budget.candidates, noise),
    }
    n = len(training)
    printed = {}
    for name, grid in grids.items():
        candidates = {generator: grid.quantize(each) for generator, each in weights.items()}
        near = near_codes.around(learner, weights["bootstrap"][0], grid, training)
        candidates["flips"] = near_codes.single_flips(near, budget.candidates)
        candidates["joint flips"] = near_codes.joint_flips(near, budget.candidates)
        rows = {g: _printed(learner.losses(codes, evaluation), n, seed) for g, codes in candidates.items()}
        many = learner.losses(near_codes.single_flips(near, budget.side_by_side), evaluation)
        rows["side by side"] = _side_by_side(many, n, seed)
        printed[name] = rows
    return printed


def by_coordinates(
    learner: Learner, training: Records, grids: Mapping[str, Grid], *, refits: int, seed: int
) -> dict[str, dict[str, Row]]:
    """Predicted leakage by the law of undecided coordinates, from bootstrap refits and no held-out record.

    Once as an audit does, from what is deployed of each refit, and once from the cells of the quantizer.
    """
    floats_ = floats.bootstrap(learner, training, refits, seed)[1:]
    n = len(training)
    deployed = {name: grid.quantize(floats_) for name, grid in grids.items()}
    said = mis.coordinates(floats_, deployed, n=n)
    printed = {}
    for name, grid in grids.items():
        leak = said[name].leakage
        cells = mis.Cells(grid.cuts[0], (False,) * grid.levels)
        known = mis.coordinate_delta(cells, floats_, n=n, trained_on=n, seed=seed)
        delta = [leak.delta.value, leak.delta.low, leak.delta.high] if leak.is_probed else None
        printed[name] = {
            "coordinates": {"delta": delta, "status": leak.status, "r": None, "k": 0},
            "coordinates by cells": {"delta": [known.value, known.low, known.high], "status": "ok", "r": None, "k": 0},
        }
    return printed


def _printed(losses: FloatArray, n: int, seed: int) -> Row:
    """Delta with its interval, as the audit prints it, and the indicator."""
    leak = mis.leakage(losses, n=n, seed=seed)
    indicator = mis.indicator(losses, splits=SPLITS)
    delta = [leak.delta.value, leak.delta.low, leak.delta.high] if leak.is_probed else None
    r = float(indicator.r)
    return {"delta": delta, "status": leak.status, "r": r if math.isfinite(r) else None, "k": indicator.k_eff}


def _side_by_side(losses: FloatArray, n: int, seed: int) -> Row:
    """The law of independent flips has no interval."""
    delta = math.exp(mis.predict_log_delta(losses, n=n, how="product", seed=seed)[0])
    return {"delta": [delta, None, None], "status": "ok", "r": None, "k": len(losses)}
