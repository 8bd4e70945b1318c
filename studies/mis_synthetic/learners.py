"""What is trained in the study: a mean, a linear regression, a logistic regression; losses, gradients, curvature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import expit

from harness.types import FloatArray, IntArray
from studies._shared import linear

__all__ = ["Learner", "Logistic", "Mean", "Records", "Regression"]


@dataclass(frozen=True, eq=False)
class Records:
    """Records of any of the learners.

    Args:
        features: ``[n, d]``.
        targets: real numbers, or classes 0 and 1, ``[n]``; a mean does not look at them.
    """

    features: FloatArray
    targets: FloatArray

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: IntArray) -> Records:
        """Some of the records, in this order."""
        return Records(self.features[rows], self.targets[rows])


class Learner(Protocol):
    """A linear model with d weights that minimises a mean loss in nats (a negative log likelihood)."""

    @property
    def ridge(self) -> float:
        """Penalty on half the squared weights, of the mean loss."""
        ...

    def fit(self, records: Records) -> FloatArray:
        """The float weights ``[d]``."""
        ...

    def losses(self, weights: FloatArray, records: Records) -> FloatArray:
        """Losses ``[K, n]`` of weights ``[K, d]``."""
        ...

    def gradients(self, weights: FloatArray, records: Records) -> FloatArray:
        """Gradient of each record's loss ``[n, d]`` at weights ``[d]``, without the ridge."""
        ...

    def curvature(self, weights: FloatArray, records: Records) -> FloatArray:
        """Hessian of the mean loss ``[d, d]`` at weights ``[d]``, without the ridge."""
        ...


@dataclass(frozen=True)
class Mean:
    """Half the squared distance of the weights from the record: a prototype, or a nearest-mean classifier."""

    ridge: float = 0.0

    def fit(self, records: Records) -> FloatArray:
        """The mean."""
        return np.asarray(records.features.mean(axis=0), dtype=np.float64)

    def losses(self, weights: FloatArray, records: Records) -> FloatArray:
        """``|t - c|^2 / 2``."""
        own, shared = 0.5 * np.sum(weights**2, axis=1), 0.5 * np.sum(records.features**2, axis=1)
        return np.asarray(own[:, None] + shared - weights @ records.features.T, dtype=np.float64)

    def gradients(self, weights: FloatArray, records: Records) -> FloatArray:
        """``c - t``."""
        return np.asarray(weights - records.features, dtype=np.float64)

    def curvature(self, weights: FloatArray, records: Records) -> FloatArray:  # noqa: ARG002 - the same everywhere
        """One."""
        return np.eye(len(weights))


@dataclass(frozen=True)
class Regression:
    """Half the squared residual, whose noise has variance one."""

    ridge: float = 0.0

    def fit(self, records: Records) -> FloatArray:
        """Least squares."""
        return np.asarray(linear.fit(records.features, records.targets, classes=None, ridge=self.ridge)[0])

    def losses(self, weights: FloatArray, records: Records) -> FloatArray:
        """``(y - c x)^2 / 2``."""
        return np.asarray(0.5 * (records.targets - weights @ records.features.T) ** 2, dtype=np.float64)

    def gradients(self, weights: FloatArray, records: Records) -> FloatArray:
        """``(c x - y) x``."""
        residual = records.features @ weights - records.targets
        return np.asarray(residual[:, None] * records.features, dtype=np.float64)

    def curvature(self, weights: FloatArray, records: Records) -> FloatArray:  # noqa: ARG002 - the same everywhere
        """``E x x^T``."""
        return np.asarray(records.features.T @ records.features / len(records), dtype=np.float64)


@dataclass(frozen=True)
class Logistic:
    """Log loss of two classes."""

    ridge: float

    def fit(self, records: Records) -> FloatArray:
        """Logistic regression without an offset."""
        return np.asarray(linear.fit(records.features, records.targets, classes=2, ridge=self.ridge)[0])

    def losses(self, weights: FloatArray, records: Records) -> FloatArray:
        """``log(1 + exp(-y c x))``."""
        signs = 2.0 * records.targets - 1.0
        return np.asarray(np.logaddexp(0.0, -signs * (weights @ records.features.T)), dtype=np.float64)

    def gradients(self, weights: FloatArray, records: Records) -> FloatArray:
        """``(p - y) x``."""
        error = expit(records.features @ weights) - records.targets
        return np.asarray(error[:, None] * records.features, dtype=np.float64)

    def curvature(self, weights: FloatArray, records: Records) -> FloatArray:
        """``E p (1 - p) x x^T``."""
        chance = expit(records.features @ weights)
        scaled = (chance * (1.0 - chance))[:, None] * records.features
        return np.asarray(scaled.T @ records.features / len(records), dtype=np.float64)
