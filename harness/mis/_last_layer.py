"""The last linear layer in coordinates that training on other records moves nearly independently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import softmax

from harness.errors import InputError
from harness.mis._coordinates import Coordinates, coordinates
from harness.types import Array, FloatArray, IntArray

__all__ = ["last_layer_coordinates"]

# Records that an average over records rests on; they are taken at equal distances.
MAX_RECORDS = 4096


def last_layer_coordinates(
    refits: Array,
    deployed: Mapping[str, Array],
    *,
    trained: Array,
    features: Array,
    labels: IntArray,
    n: int,
    level: float = 0.95,
) -> dict[str, Coordinates]:
    """Predict ``Delta_n`` of quantizers from what is deployed of refitted last layers; see :func:`coordinates`.

    The coordinates are the layer's weights on the principal directions of its inputs, in ``classes - 1`` orthogonal
    contrasts: what all classes share changes no answer, and a direction in which no record lies moves no weight. There
    the curvature of logistic regression is nearly diagonal, so that coordinates are less correlated than the weights.
    A record shifts a coordinate by its residual in that contrast times its input in that direction. Records with small
    residuals move little, so the average over records is below the leakage of the mean shift.

    Args:
        refits: float layers fitted to other samples ``[K, classes, features + 1]``, the bias last.
        deployed: quantizer -> what is deployed of each, of the same shape; unchanged parts, such as a bias, as floats.
        trained: the layer that the refits vary around, ``[classes, features + 1]``.
        features: inputs of the layer on the training records ``[m, features]``.
        labels: classes of the training records ``[m]``.
        n: size of the training set.
        level: coverage of the intervals.

    Raises:
        InputError: shapes that do not fit each other, or as :func:`coordinates`.
    """
    floats = np.asarray(refits, dtype=np.float64)
    if floats.ndim != 3 or floats.shape[1] < 2:
        raise InputError(f"refits: shape {floats.shape}, expected [refits, classes >= 2, features + 1]")
    if np.shape(trained) != floats.shape[1:]:
        raise InputError(f"trained: shape {np.shape(trained)}, but each refit has {floats.shape[1:]}")
    inputs = np.asarray(features, dtype=np.float64)
    if inputs.ndim != 2 or inputs.shape[1] + 1 != floats.shape[2] or len(inputs) != len(labels):
        raise InputError(
            f"features: shape {inputs.shape} with {len(labels)} labels, expected [records, {floats.shape[2] - 1}]"
        )
    rotation = _Rotation(np.asarray(trained, dtype=np.float64), inputs, labels)
    rotated = {}
    for name, layers in deployed.items():
        if np.shape(layers) != floats.shape:
            raise InputError(f"{name}: shape {np.shape(layers)}, but the refits have {floats.shape}")
        rotated[name] = rotation(np.asarray(layers, dtype=np.float64))
    return coordinates(rotation(floats), rotated, n=n, level=level, influence=rotation.influence)


@dataclass(frozen=True, eq=False)
class _Rotation:
    """From weights to coordinates."""

    trained: FloatArray
    features: FloatArray
    labels: IntArray

    def __call__(self, layers: FloatArray) -> FloatArray:
        """Coordinates of layers ``[K, classes, features + 1]``: ``[K, (classes - 1) * directions]``."""
        turned = np.einsum("kcf,ca,fr->kar", layers, self._contrasts, self._directions, optimize=True)
        return np.asarray(turned.reshape(len(layers), -1))

    def influence(self, shares: FloatArray) -> FloatArray:
        """Squared shift of each record in what is retained, mean 1, ``[m]``."""
        slopes, reaches = self._squares
        mean = slopes.T @ reaches / len(slopes)
        moved = mean > np.finfo(np.float64).tiny
        weights = np.divide(shares.reshape(mean.shape), mean, out=np.zeros_like(mean), where=moved)
        shifts = np.asarray(((slopes @ weights) * reaches).sum(axis=1))
        total = float(shifts.mean())
        return shifts / total if total > 0.0 else np.ones_like(shifts)

    @cached_property
    def _contrasts(self) -> FloatArray:
        classes = len(self.trained)
        _, _, rows = np.linalg.svd(np.eye(classes) - 1.0 / classes)
        return np.asarray(rows[: classes - 1].T)

    @cached_property
    def _extended(self) -> FloatArray:
        return np.hstack([self.features, np.ones((len(self.features), 1))])

    @cached_property
    def _directions(self) -> FloatArray:
        """Principal directions of the inputs ``[features + 1, directions]``, those that rounding alone makes left out.

        The inputs were computed in float32: their rounding is what counts.
        """
        squares, vectors = np.linalg.eigh(self._extended.T @ self._extended)
        lengths = np.sqrt(np.maximum(squares, 0.0))
        least = lengths.max() * max(self._extended.shape) * float(np.finfo(np.float32).eps)
        return np.asarray(vectors[:, lengths > least])

    @cached_property
    def _squares(self) -> tuple[FloatArray, FloatArray]:
        """Squared residuals in each contrast ``[m, a]``, squared inputs in each direction ``[m, r]``."""
        every = -(-len(self.features) // MAX_RECORDS)
        inputs, labels = self._extended[::every], np.asarray(self.labels)[::every]
        residuals = softmax(inputs @ self.trained.T, axis=1)
        residuals[np.arange(len(labels)), labels] -= 1.0
        return (residuals @ self._contrasts) ** 2, (inputs @ self._directions) ** 2
