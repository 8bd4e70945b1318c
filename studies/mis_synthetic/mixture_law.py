"""Prototypes of mixtures in R^128, rounded to a grid: the leakage is known through the likelihood of the code.

A class of k / 2 Gaussian modes against another; ``t = y x`` points to the weights of a nearest-mean classifier, and the
learner minimises the mean squared distance of t over all codes, which is to round the mean weight by weight. So
post-training quantization and the best of all codes are one here. No sparsity is planted in the modes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.compression.grids import Grid, fit
from harness.types import FloatArray, IntArray
from studies.mis_synthetic.learners import Records

__all__ = ["QUANTIZERS", "MixtureLaw", "draw_mixture"]

DIMENSIONS = 128
# Length of a mode's mean, in standard deviations of the noise.
SEPARATION = 3.0
QUANTIZERS = ("sign", "ternary-0.33", "ternary-0.9", "uniform-2", "uniform-3")


@dataclass(frozen=True, eq=False)
class MixtureLaw:
    """One law and the quantizers' grids.

    Args:
        modes: means of ``t`` in each mode ``[k, d]``; all are equally likely, their noise has variance one.
        grids: quantizer -> levels, the same for all training sets; each cut lies halfway between two levels.
    """

    modes: FloatArray
    grids: Mapping[str, Grid]

    def records(self, count: int, rng: np.random.Generator) -> Records:
        """Fresh records ``t``."""
        mode = rng.integers(0, len(self.modes), count)
        features = self.modes[mode] + rng.standard_normal((count, self.modes.shape[1]))
        return Records(features, np.zeros(count))

    def counts(self, draws: int, n: int, rng: np.random.Generator) -> FloatArray:
        """How many of n records fall into each mode, ``[draws, k]``."""
        k = len(self.modes)
        return np.asarray(rng.multinomial(n, np.full(k, 1.0 / k), size=draws), dtype=np.float64)

    def means(self, counts: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Means ``[draws, d]`` of training sets with these counts."""
        n = counts.sum(axis=1, keepdims=True)
        noise = rng.standard_normal((len(counts), self.modes.shape[1])) / np.sqrt(n)
        return np.asarray(counts @ self.modes / n + noise, dtype=np.float64)

    def member_means(self, records: Records, n: int, rng: np.random.Generator) -> FloatArray:
        """Means ``[M, d]`` of training sets of n records, each of which holds one of the records."""
        others = self.means(self.counts(len(records), n - 1, rng), rng)
        return np.asarray(((n - 1) * others + records.features) / n, dtype=np.float64)

    def codes(self, weights: FloatArray, quantizer: str) -> IntArray:
        """Levels' indices of weights ``[..., d]``."""
        return np.asarray(np.searchsorted(self.grids[quantizer].cuts[0], weights, side="right"))


def draw_mixture(seed: int, modes: int) -> MixtureLaw:
    """A law from one seed: modes in random directions, all of one length; grids fitted to the population's mean."""
    directions = np.random.default_rng([seed, modes]).standard_normal((modes, DIMENSIONS))
    means = SEPARATION * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return MixtureLaw(means, {name: _nearest(fit(means.mean(axis=0)[None], name)) for name in QUANTIZERS})


def _nearest(grid: Grid) -> Grid:
    """A ternary grid whose level is twice its cut, so that rounding at the cut is rounding to the nearest level."""
    if not grid.name.startswith("ternary"):
        return grid
    cut = float(grid.cuts[0, 1])
    return Grid(grid.name, grid.cuts, np.array([[-2.0 * cut, 0.0, 2.0 * cut]]))
