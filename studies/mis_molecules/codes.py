"""Rivals of a head's deployed code among all codes of its grid: single flips, and joint ones by curvature."""

from __future__ import annotations

import numpy as np

from harness.compression.candidates import QuadraticLoss, nearby_codes
from harness.compression.grids import Grid
from harness.types import FloatArray
from studies.mis_molecules.generators import Head

__all__ = ["joint_codes", "single_flips"]


def joint_codes(head: Head, grid: Grid, weights: FloatArray, count: int) -> FloatArray:
    """The code of least quadratic loss around the deployed one and its closest rivals, ``[<= count, d]``.

    Several weights may differ at once. The ridge is part of the loss, as it is of the training.

    Args:
        head: the training records.
        grid: the levels, one row.
        weights: the float head ``[1, d]``.
        count: codes, the first included.
    """
    code = grid.codes(weights)
    base = grid.decode(code)[0]
    slopes = head.slopes(base)
    loss = QuadraticLoss(
        gradient=slopes.mean(axis=0) + head.pull * base,
        curvature=head.curvature(base) + head.pull * np.eye(len(base)),
        covariance=np.cov(slopes.T),
    )
    found = nearby_codes(loss, grid.values[0], code[0].astype(np.int64), count=count)
    return np.asarray(grid.values[0][found.codes])


def single_flips(head: Head, grid: Grid, weights: FloatArray, count: int) -> FloatArray:
    """The deployed code and its least certain single flips, ``[<= count, d]``.

    Screened by ``|g + v s / 2| / sqrt(v)``, with s the step, g the mean and v the variance of the records' gradient,
    which also stands for the curvature.
    """
    code = grid.codes(weights)
    base, slopes = grid.decode(code)[0], head.slopes(grid.decode(code)[0])
    mean, variance = slopes.mean(axis=0), slopes.var(axis=0)
    levels, d = grid.values[0], len(base)
    moved = np.stack([code[0] - 1, code[0] + 1]).astype(np.int64)
    possible = (moved >= 0) & (moved < len(levels)) & (variance > 0)
    values = levels[np.where(possible, moved, 0)]
    spread = np.sqrt(np.where(variance > 0, variance, 1.0))
    ratio = np.where(possible, np.abs(mean + 0.5 * variance * (values - base)) / spread, np.inf).reshape(-1)
    chosen = np.argsort(ratio, kind="stable")[: count - 1]
    chosen = chosen[np.isfinite(ratio[chosen])]
    flipped = np.tile(base, (len(chosen) + 1, 1))
    flipped[np.arange(1, len(flipped)), chosen % d] = values.reshape(-1)[chosen]
    return flipped
