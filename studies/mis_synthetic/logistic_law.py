"""Logistic regressions on mixtures in R^128 with correlated noise, rounded after training: what users ship.

Nobody knows the law of the code here, so the truth is bounded from below by an attacker that is trained on many
retrainings of one pool.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.compression.grids import Grid, fit
from harness.types import FloatArray
from studies.mis_synthetic.learners import Logistic, Records
from studies.mis_synthetic.mixture_law import DIMENSIONS, QUANTIZERS, SEPARATION

__all__ = ["LEARNER", "LogisticLaw", "draw_logistic"]

LEARNER = Logistic(ridge=1e-2)
# Records that the levels of all grids are calibrated with, once.
PILOT = 2000


@dataclass(frozen=True, eq=False)
class LogisticLaw:
    """One law and the quantizers' grids.

    Args:
        modes: means of ``x`` in each mode ``[k, d]``; the first half belong to class 1.
        root: lower triangular root of the noise's covariance ``[d, d]``.
        grids: quantizer -> levels, calibrated once on a model of other records.
    """

    modes: FloatArray
    root: FloatArray
    grids: Mapping[str, Grid]

    def records(self, count: int, rng: np.random.Generator) -> Records:
        """Fresh records."""
        mode = rng.integers(0, len(self.modes), count)
        features = self.modes[mode] + rng.standard_normal((count, len(self.root))) @ self.root.T
        return Records(features, (mode < len(self.modes) // 2).astype(np.float64))


def draw_logistic(seed: int, modes: int, correlation: float) -> LogisticLaw:
    """A law from one seed; the noise of features i and j is correlated by ``correlation ** |i - j|``."""
    rng = np.random.default_rng([seed, modes])
    directions = rng.standard_normal((modes, DIMENSIONS))
    means = SEPARATION * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    lags = np.abs(np.arange(DIMENSIONS)[:, None] - np.arange(DIMENSIONS))
    law = LogisticLaw(means, np.linalg.cholesky(correlation**lags), {})
    pilot = LEARNER.fit(law.records(PILOT, rng))
    return LogisticLaw(law.modes, law.root, {name: fit(pilot[None], name) for name in QUANTIZERS})
