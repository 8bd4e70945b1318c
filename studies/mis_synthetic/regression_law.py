"""Linear regression on correlated features, quantized: laws whose leakage is known exactly, for two learners.

The training set decides everything through ``S = sum x x^T`` and ``b = sum x y``: a Wishart law and, given S, a normal
one. So does one record's presence, and the ratio of the two densities is a closed form, whatever the learner makes of
S and b. Two learners: ``rounded`` fits by least squares and rounds (post-training quantization), ``codes`` takes the
code of least training loss among all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import gammaln

from harness.compression.grids import Grid, fit
from harness.types import FloatArray, IntArray
from studies.mis_synthetic.learners import Records

__all__ = ["LEARNERS", "QUANTIZERS", "RegressionLaw", "Statistics", "draw_regression"]

DIMENSIONS = 4
# Spread of the true weights; the noise of a target is one.
SCALE = 0.5
QUANTIZERS = ("sign", "ternary-0.33", "ternary-0.5", "ternary-0.9", "uniform-2", "uniform-3")
LEARNERS = ("rounded", "codes")
# Training losses in memory at once, numbers.
CHUNK = 1 << 24


@dataclass(frozen=True, eq=False)
class Statistics:
    """What B training sets of n records tell a learner.

    Args:
        gram: ``S [B, d, d]``.
        moment: ``b [B, d]``.
        n: records in each.
    """

    gram: FloatArray
    moment: FloatArray
    n: int

    @property
    def least_squares(self) -> FloatArray:
        """Float weights ``[B, d]``."""
        return np.asarray(np.linalg.solve(self.gram, self.moment[..., None])[..., 0], dtype=np.float64)

    def plus(self, records: Records) -> Statistics:
        """Each training set with one more record, ``[B]`` of them."""
        x, y = records.features, records.targets
        return Statistics(self.gram + x[:, :, None] * x[:, None, :], self.moment + x * y[:, None], self.n + 1)


@dataclass(frozen=True, eq=False)
class RegressionLaw:
    """One law and the quantizers' grids.

    Args:
        weights: true weights ``[d]``.
        correlation: of every two features.
        grids: quantizer -> levels, fitted to the true weights, the same for all training sets.
    """

    weights: FloatArray
    correlation: float
    grids: Mapping[str, Grid]

    @property
    def covariance(self) -> FloatArray:
        """Of the features, ``[d, d]``."""
        d = len(self.weights)
        return np.full((d, d), self.correlation) + (1.0 - self.correlation) * np.eye(d)

    def records(self, count: int, rng: np.random.Generator) -> Records:
        """Fresh records."""
        root = np.linalg.cholesky(self.covariance)
        features = rng.standard_normal((count, len(self.weights))) @ root.T
        return Records(features, features @ self.weights + rng.standard_normal(count))

    def statistics(self, count: int, n: int, rng: np.random.Generator) -> Statistics:
        """Those of ``count`` fresh training sets, drawn by Bartlett's decomposition."""
        d = len(self.weights)
        lower = np.tril(rng.standard_normal((count, d, d)), -1)
        lower[:, np.arange(d), np.arange(d)] = np.sqrt(rng.chisquare(n - np.arange(d), size=(count, d)))
        root = np.linalg.cholesky(self.covariance) @ lower
        gram = root @ np.swapaxes(root, 1, 2)
        noise = (root @ rng.standard_normal((count, d, 1)))[..., 0]
        return Statistics(gram, gram @ self.weights + noise, n)

    def ratios(self, of: Statistics, records: Records) -> FloatArray:
        """Density of each training set given that it holds a record, over that without: ``[B, M]``. Derived, exact."""
        n, d = of.n, len(self.weights)
        x = records.features
        error = records.targets - x @ self.weights
        inverse = np.linalg.inv(of.gram)
        leverage = inverse.reshape(-1, d * d) @ (x[:, :, None] * x[:, None, :]).reshape(-1, d * d).T
        moved = (of.least_squares - self.weights) @ x.T
        room = np.maximum(1.0 - leverage, np.finfo(np.float64).tiny)
        distance = np.sum(x * np.linalg.solve(self.covariance, x.T).T, axis=1)
        constant = 0.5 * d * math.log(2.0) + gammaln(0.5 * n) - gammaln(0.5 * (n - d))
        constant += 0.5 * np.linalg.slogdet(self.covariance)[1]
        logs = constant - 0.5 * np.linalg.slogdet(of.gram)[1][:, None] + 0.5 * (distance + error**2)
        logs = logs + 0.5 * (n - d - 3) * np.log(room) - 0.5 * (error - moved) ** 2 / room
        return np.asarray(np.where(leverage < 1.0, np.exp(logs), 0.0), dtype=np.float64)

    def learned(self, of: Statistics, quantizer: str, learner: str) -> IntArray:
        """Number of the code that a learner makes of each training set, ``[B]``; see :meth:`decoded`."""
        grid = self.grids[quantizer]
        places = grid.levels ** np.arange(len(self.weights) - 1, -1, -1)
        if learner == "rounded":
            return np.asarray(grid.codes(of.least_squares.ravel()[None]).reshape(of.moment.shape) @ places)
        codes = self.decoded(np.arange(grid.levels ** len(self.weights)), quantizer)
        squares = (codes[:, :, None] * codes[:, None, :]).reshape(len(codes), -1)
        best = np.empty(len(of.moment), dtype=np.int64)
        step = max(1, CHUNK // len(codes))
        for begin in range(0, len(best), step):
            rows = slice(begin, begin + step)
            gram = of.gram[rows].reshape(-1, squares.shape[1])
            best[rows] = np.argmin(gram @ squares.T - 2.0 * of.moment[rows] @ codes.T, axis=1)
        return best

    def decoded(self, numbers: IntArray, quantizer: str) -> FloatArray:
        """Weights ``[B, d]`` of numbered codes: all combinations of levels, the last weight's changing fastest."""
        grid = self.grids[quantizer]
        every = np.array(list(product(grid.values[0], repeat=len(self.weights))))
        return np.asarray(every[numbers], dtype=np.float64)


def draw_regression(seed: int, correlation: float) -> RegressionLaw:
    """A law from one seed; laws of one seed differ in the correlation only."""
    weights = SCALE * np.random.default_rng(seed).standard_normal(DIMENSIONS)
    return RegressionLaw(weights, correlation, {name: fit(weights[None], name) for name in QUANTIZERS})
