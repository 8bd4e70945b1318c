"""Other trainings of one head, as an audit could make them from its training records: float weights of each."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from harness.compression.candidates import EPSILONS, bearable_factor
from harness.types import FloatArray, IntArray
from studies._shared import linear

__all__ = ["Head", "perturbed", "refits", "trajectory"]

# The harness's training by default; there, too, the candidates are the second half of the epochs.
BATCH, MOMENTUM = 64, 0.9
# The step is this share of the largest that does not diverge on the whole set.
STEP = 0.1
# Directions with less than this share of the largest one's variance are rounding.
ROUNDING = 1e-10


@dataclass(frozen=True, eq=False)
class Head:
    """What a head is trained on.

    Args:
        features: ``[n, d]``.
        targets: ``[n]``; classes 0 and 1, or values.
        classes: 2, or None for regression.
        ridge: penalty on half the squared weights, of the mean loss (half the squared error in regression).
    """

    features: FloatArray
    targets: FloatArray | IntArray
    classes: int | None
    ridge: float

    def fit(self, rows: IntArray | None = None) -> FloatArray:
        """Weights ``[1, d]`` of the head trained on these rows; all for None."""
        chosen = slice(None) if rows is None else rows
        return linear.fit(self.features[chosen], self.targets[chosen], classes=self.classes, ridge=self.ridge)

    def losses(self, weights: FloatArray) -> FloatArray:
        """Loss of every record for weights ``[K, d]``: ``[K, n]``."""
        outputs = linear.predict(weights[:, None, :], self.features)
        return linear.losses(outputs, self.targets, classes=self.classes)

    def slopes(self, weights: FloatArray, rows: IntArray | None = None) -> FloatArray:
        """Gradient of each record's loss by the weights ``[d]``: ``[n, d]``; without the ridge."""
        chosen = slice(None) if rows is None else rows
        x, y = self.features[chosen], self.targets[chosen]
        answers = x @ weights
        outer = 2.0 * (answers - y) if self.classes is None else expit(answers) - y
        return np.asarray(outer[:, None] * x)

    def curvature(self, weights: FloatArray) -> FloatArray:
        """Hessian of the mean loss ``[d, d]``; without the ridge."""
        chance = expit(self.features @ weights)
        each = np.full(len(self.targets), 2.0) if self.classes is None else chance * (1.0 - chance)
        return np.asarray((self.features * each[:, None]).T @ self.features / len(self.targets))

    def axes(self, weights: FloatArray) -> FloatArray:
        """Orthogonal directions in which the records' gradients are uncorrelated, ``[d, <= d]``, without still ones."""
        slopes = self.slopes(weights)
        squares, vectors = np.linalg.eigh(slopes.T @ slopes / len(slopes))
        return np.asarray(vectors[:, squares > ROUNDING * squares.max()])

    def influence(self, weights: FloatArray, axes: FloatArray, shares: FloatArray) -> FloatArray:
        """How far each record shifts what is retained of the coordinates on some axes, squared, mean 1, ``[n]``.

        Args:
            weights: the head, ``[d]``.
            axes: directions of the coordinates, ``[d, a]``.
            shares: retained information of each coordinate, ``[a]``.
        """
        squares = (self.slopes(weights) @ axes) ** 2
        mean = squares.mean(axis=0)
        shifts = squares @ np.divide(shares, mean, out=np.zeros_like(mean), where=mean > 0)
        total = float(shifts.mean())
        return np.asarray(shifts / total if total > 0 else np.ones_like(shifts))

    @property
    def pull(self) -> float:
        """The ridge's pull on the weights, in units of the losses' gradients: regression's loss is not halved."""
        return self.ridge * (2.0 if self.classes is None else 1.0)


def refits(head: Head, groups: IntArray, count: int, rng: np.random.Generator) -> FloatArray:
    """The head, and heads refitted to bootstrap samples of its records within each group, ``[count, d]``.

    This is ``bootstrap`` and ``bootstrap-last`` at once, since the head is all that is trained.
    """
    strata = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    samples = (np.concatenate([rng.choice(some, len(some)) for some in strata]) for _ in range(count - 1))
    return np.concatenate([head.fit(), *(head.fit(rows) for rows in samples)])


def trajectory(head: Head, count: int, rng: np.random.Generator) -> FloatArray:
    """The head after each epoch of the second half of mini-batch gradient descent, ``[count, d]``; the last one ships.

    Momentum .9, and a step that falls to zero along a half cosine, as in the harness's training.
    """
    n, d = head.features.shape
    steps = math.ceil(n / BATCH)
    epochs = 2 * count
    largest = 2.0 / (float(np.linalg.eigvalsh(head.curvature(np.zeros(d)))[-1]) + head.pull)
    weights, velocity = np.zeros(d), np.zeros(d)
    kept = []
    done = 0
    for _ in range(epochs):
        for rows in np.array_split(rng.permutation(n), steps):
            gradient = head.slopes(weights, rows).mean(axis=0) + head.pull * weights
            velocity = MOMENTUM * velocity + gradient
            weights = weights - 0.5 * STEP * largest * (1.0 + math.cos(math.pi * done / (epochs * steps))) * velocity
            done += 1
        kept.append(weights)
    return np.stack(kept[-count:])


def perturbed(head: Head, count: int, rng: np.random.Generator) -> FloatArray:
    """The head, and it plus ``eps * c * N(0, V / n)``, ``[count, d]``; as the harness's generator ``perturbation``.

    V is the inverse of the diagonal Fisher information, damped by its mean; eps goes through 0.5, 1, 2; c is the first
    of 1, 1/2, ... at which noise with eps = 1 raises the mean training loss by no more than one standard error of it.
    """
    weights = head.fit()
    diagonal = head.slopes(weights[0]).var(axis=0)
    scale = ((diagonal + diagonal.mean()) * len(head.targets)) ** -0.5
    noise = rng.standard_normal((count - 1, len(scale))) * scale
    factor = bearable_factor(head.losses(weights)[0], lambda factor: head.losses(weights + factor * noise[:1])[0])
    epsilon = np.resize(EPSILONS, count - 1)[:, None]
    return np.concatenate([weights, weights + factor * epsilon * noise])
