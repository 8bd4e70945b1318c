"""Codes near the deployed one: its closest single flips, and the near ties among all codes, several weights at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.compression.candidates import QuadraticLoss, nearby_codes
from harness.compression.grids import Grid
from harness.types import FloatArray, IntArray
from studies.mis_synthetic.learners import Learner, Records

__all__ = ["Around", "around", "joint_flips", "single_flips"]


# Weights that a joint flip may move: the best of all codes can lie far from the deployed one, where nothing ships.
MAX_MOVED = 8


@dataclass(frozen=True, eq=False)
class Around:
    """A deployed code and the quadratic loss of the training records around it.

    Args:
        levels: values of every weight's levels, ascending, ``[L]``.
        code: indices of levels ``[d]``.
        loss: gradient, curvature and covariance there.
    """

    levels: FloatArray
    code: IntArray
    loss: QuadraticLoss


def around(learner: Learner, weights: FloatArray, grid: Grid, records: Records) -> Around:
    """The quadratic loss of training records around the code that float weights ``[d]`` are rounded to."""
    code = grid.codes(weights[None])[0].astype(np.int64)
    rounded = grid.values[0][code]
    gradients = learner.gradients(rounded, records)
    covariance = np.atleast_2d(np.cov(gradients, rowvar=False))
    loss = QuadraticLoss(gradients.mean(axis=0), learner.curvature(rounded, records), covariance)
    return Around(grid.values[0], code, loss)


def single_flips(of: Around, count: int) -> FloatArray:
    """The deployed weights and those with one code moved to a neighbouring level, at most ``count``: ``[K, d]``.

    The least certain flips first, each judged alone by its gradient, curvature and variance, as in audits.
    """
    d = len(of.code)
    one = np.eye(d, dtype=np.int64)
    moved = np.concatenate([of.code + one, of.code - one])
    moved = moved[((moved >= 0) & (moved < len(of.levels))).all(axis=1)]
    base = of.levels[of.code]
    steps = of.levels[moved] - base
    spread = np.maximum(of.loss.spread(steps), np.finfo(np.float64).tiny)
    order = np.argsort(np.abs(of.loss.rise(steps)) / spread, kind="stable")
    return np.concatenate([base[None], (base + steps)[order[: count - 1]]])


def joint_flips(of: Around, count: int) -> FloatArray:
    """The deployed weights, the code of least quadratic loss and its closest rivals, at most ``count``: ``[K, d]``."""
    found = nearby_codes(of.loss, of.levels, of.code, count=count, max_moved=MAX_MOVED)
    others = found.codes[(found.codes != of.code).any(axis=1)][: count - 1]
    return np.concatenate([of.levels[of.code][None], of.levels[others]])
