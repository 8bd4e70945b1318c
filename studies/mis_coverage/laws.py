"""Laws of candidates' losses whose leakage is known: normal losses, and sparse codes of a regression."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from harness.mis._joint import JointLaw, joint_law
from harness.types import FloatArray

__all__ = ["LAWS", "Codes", "Law", "Normal", "true_log_delta"]

# Records that a law's own shape is taken from, and points that its leakage is integrated with.
RECORDS, POINTS = 100_000, 65536
SEED = 99


class Law(Protocol):
    """A law of the losses of K candidates."""

    @property
    def name(self) -> str:
        """What it is, for the page."""

    @property
    def gaps(self) -> FloatArray:
        """True mean losses less the smallest, ``[K]``."""

    def losses(self, rng: np.random.Generator, points: int) -> FloatArray:
        """Losses on fresh records, ``[K, points]``."""


@dataclass(frozen=True)
class Normal:
    """Normal losses with one correlation between all candidates.

    Args:
        name: what it is.
        ratios: gap of each rival over the standard deviation of its loss less that of the best candidate.
        correlation: of any two candidates' losses.
    """

    name: str
    ratios: tuple[float, ...]
    correlation: float = 0.0

    @property
    def gaps(self) -> FloatArray:
        """True mean losses less the smallest, ``[K]``."""
        return np.array([0.0, *self.ratios]) * math.sqrt(2.0 * (1.0 - self.correlation))

    def losses(self, rng: np.random.Generator, points: int) -> FloatArray:
        """Losses on fresh records, ``[K, points]``."""
        common, own = rng.standard_normal(points), rng.standard_normal((len(self.ratios) + 1, points))
        noise = math.sqrt(self.correlation) * common + math.sqrt(1.0 - self.correlation) * own
        return np.asarray(noise + self.gaps[:, None])


@dataclass(frozen=True)
class Codes:
    """Squared losses of ternary codes with 90% zeros, in a linear regression on correlated features.

    Args:
        name: what it is.
        weights: of the true regression; those that are left out are zero.
        features: number of features; a code has as many weights.
        kept: candidates, those of the smallest true loss.
        level: magnitude of a weight that is not zero.
        correlation: of any two features.
    """

    name: str
    weights: tuple[float, ...]
    features: int = 20
    kept: int = 64
    level: float = 0.5
    correlation: float = 0.3

    @cached_property
    def _shape(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        covariance = np.full((self.features, self.features), self.correlation)
        np.fill_diagonal(covariance, 1.0)
        weights = np.zeros(self.features)
        weights[: len(self.weights)] = self.weights
        codes = []
        for places in itertools.combinations(range(self.features), round(0.1 * self.features)):
            for signs in itertools.product((-self.level, self.level), repeat=len(places)):
                code = np.zeros(self.features)
                code[list(places)] = signs
                codes.append(code)
        off = np.array(codes) - weights
        risks = np.einsum("ki,ij,kj->k", off, covariance, off)
        best = np.argsort(risks, kind="stable")[: self.kept]
        return np.linalg.cholesky(covariance), weights, np.array(codes)[best], risks[best] - risks[best[0]]

    @property
    def gaps(self) -> FloatArray:
        """True mean losses less the smallest, ``[K]``."""
        return self._shape[3]

    def losses(self, rng: np.random.Generator, points: int) -> FloatArray:
        """Losses on fresh records, ``[K, points]``."""
        root, weights, codes, _ = self._shape
        x = rng.standard_normal((points, self.features)) @ root.T
        y = x @ weights + rng.standard_normal(points)
        return np.asarray(((y[:, None] - x @ codes.T) ** 2).T)


def true_log_delta(law: Law, sizes: tuple[int, ...]) -> tuple[float, ...]:
    """``log Delta_n`` of a law at several n, from its true gaps and the shape of many records."""
    losses = law.losses(np.random.default_rng(SEED), RECORDS)
    losses += (law.gaps - losses.mean(axis=1))[:, None]
    if isinstance(law, Normal):
        losses = _of_exact_spread(losses, law)
    joint: JointLaw = joint_law(losses)
    normals = ndtri(np.clip(qmc.Sobol(joint.root.shape[1], seed=SEED).random(POINTS), 1e-12, 1.0 - 1e-12))
    return tuple(joint.log_delta(law.gaps, n=n, normals=normals) for n in sizes)


def _of_exact_spread(losses: FloatArray, law: Normal) -> FloatArray:
    """The same losses with the covariance that the law has, up to what all candidates share."""
    centred = losses - law.gaps[:, None]
    white = np.linalg.solve(np.linalg.cholesky(centred @ centred.T / losses.shape[1]), centred)
    return np.asarray(math.sqrt(1.0 - law.correlation) * white + law.gaps[:, None])


_SPREAD = tuple(float(0.1 * ndtri(0.5 + 0.5 * (i + 0.5) / 32)) for i in range(32))
LAWS: tuple[Law, ...] = (
    Normal("two candidates, tied", (0.0,)),
    Normal("32 rivals correlated .98, tied", (0.0,) * 32, 0.98),
    Codes("ternary codes with 90% zeros, a few close", (0.6, 0.5, 0.48, 0.46, 0.2, 0.2)),
    Normal("two candidates, gap .05", (0.05,)),
    Normal("32 rivals correlated .98, gaps .05", (0.05,) * 32, 0.98),
    Normal("one close (.05) and 31 far (.2)", (0.05, *(0.2,) * 31), 0.98),
    Normal("32 rivals, gaps spread over 0 to .25", _SPREAD, 0.98),
)
