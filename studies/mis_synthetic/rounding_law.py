"""A law whose quantized learner can be followed exactly: the mean of two Gaussian classes in R^128, put on a grid.

Records are ``x = y * mu + noise`` with a label ``y`` of plus or minus one, so ``t = y * x`` is Gaussian around ``mu``.
The learner minimises the squared distance to the training records' ``t`` over all weights on a grid, which is to round
their mean to the nearest level, weight by weight. Post-training quantization is the empirical minimiser here, over as
many as 256^128 codes, and everything that the indicator estimates has a closed form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from harness.compression.grids import Grid, fit
from harness.types import FloatArray
from studies._shared import GRIDS

__all__ = ["World", "draw_world"]

DIMENSIONS = 128
# One weight in ten is strong, as after training with sparse features; a law draws how far apart everything lies.
STRONG_SHARE = 0.1
WEAK, STRONG = (0.3, 0.05), (1.2, 0.1)
SPREAD = (0.5, 1.5)


@dataclass(frozen=True, eq=False)
class World:
    """One law and the quantizers' grids.

    Args:
        mean: the mean of ``t``, ``[d]``; its noise has variance one in each direction.
        grids: quantizer -> levels, the same for all training sets.
    """

    mean: FloatArray
    grids: Mapping[str, Grid]

    def records(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Fresh records ``t``, ``[count, d]``."""
        return self.mean + rng.standard_normal((count, len(self.mean)))

    def quantized(self, weights: FloatArray, quantizer: str) -> FloatArray:
        """Weights ``[..., d]`` at their nearest levels."""
        grid = self.grids[quantizer]
        return np.asarray(grid.values[0][np.searchsorted(grid.cuts[0], weights, side="right")], dtype=np.float64)

    def r(self, quantizer: str) -> float:
        """The indicator's true value, nats a training record.

        The losses of two levels differ in proportion to ``t_j`` less their midpoint, whose gap over its spread is the
        distance of ``mu_j`` from that midpoint. Rivals in several weights at once are never closer: gaps add, and so
        do variances.
        """
        gaps = np.abs(self.mean[:, None] - self.grids[quantizer].cuts[0][None, :])
        return 0.5 * float(gaps.min()) ** 2

    def accuracy(self, quantizer: str) -> float:
        """Share of fresh records that the sign of ``weights . x`` classifies right, at the population's optimum."""
        weights = self.quantized(self.mean, quantizer)
        size = float(np.linalg.norm(weights))
        return float(ndtr(weights @ self.mean / size)) if size else 0.5

    def flips(self, quantizer: str, pilot: FloatArray, count: int) -> FloatArray:
        """Candidates ``[count, d]``: a pilot mean's code, and its single flips that the pilot is closest to."""
        grid = self.grids[quantizer]
        cuts, values = grid.cuts[0], grid.values[0]
        base = np.searchsorted(cuts, pilot, side="right")
        gaps = np.abs(pilot[:, None] - cuts[None, :])
        # A cut is crossed by the two levels beside it; the others need more than one step.
        place = np.arange(len(cuts))[None, :]
        gaps[(place != base[:, None]) & (place != base[:, None] - 1)] = np.inf
        order = np.argsort(gaps, axis=None, kind="stable")[: count - 1]
        candidates = np.repeat(values[base][None, :], count, axis=0)
        for row, place_ in enumerate(order[np.isfinite(gaps.ravel()[order])], start=1):
            weight, cut = divmod(int(place_), len(cuts))
            candidates[row, weight] = values[cut if base[weight] == cut + 1 else cut + 1]
        return candidates

    def losses(self, candidates: FloatArray, records: FloatArray) -> FloatArray:
        """Squared distances ``[K, N]`` of records to candidates, less what all candidates share."""
        return np.asarray(np.sum(candidates**2, axis=1)[:, None] - 2.0 * candidates @ records.T, dtype=np.float64)


def draw_world(seed: int) -> World:
    """A law and its grids, from one seed.

    Grids are fitted to the population's mean, as if calibrated once on plenty of data. A ternary level is twice its
    cut, so that rounding at the cut is rounding to the nearest level.
    """
    rng = np.random.default_rng(seed)
    strong = rng.permutation(DIMENSIONS) < math.ceil(STRONG_SHARE * DIMENSIONS)
    center, jitter = np.where(strong, STRONG[0], WEAK[0]), np.where(strong, STRONG[1], WEAK[1])
    sizes = np.abs(center + jitter * rng.standard_normal(DIMENSIONS))
    mean = rng.uniform(*SPREAD) * sizes * rng.choice([-1.0, 1.0], DIMENSIONS)
    return World(mean, {name: _nearest(fit(mean[None, :], name)) for name in GRIDS})


def _nearest(grid: Grid) -> Grid:
    if not grid.name.startswith("ternary"):
        return grid
    cut = float(grid.cuts[0, 1])
    return Grid(grid.name, grid.cuts, np.array([[-2.0 * cut, 0.0, 2.0 * cut]]))
