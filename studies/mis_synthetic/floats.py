"""Float weights that training might have given: the last epochs of SGD, bootstrap refits, noise. The audit's ways.

An audit makes these of a network (``harness.compression.candidates``); here the same formulas stand for linear models
of which the truth is known.
"""

from __future__ import annotations

import math

import numpy as np

from harness.compression.candidates import EPSILONS, bearable_factor, bootstrap_rows
from harness.types import FloatArray
from studies.mis_synthetic.learners import Learner, Records

__all__ = ["bootstrap", "perturbation", "trajectory"]

# As many epochs as there are checkpoints to keep, times this; SGD as in audits: momentum, half a cosine to zero.
EPOCHS_PER_CHECKPOINT = 3
BATCH, MOMENTUM, FIRST_STEP = 32, 0.9, 0.1


def trajectory(learner: Learner, records: Records, count: int, rng: np.random.Generator) -> FloatArray:
    """Weights after each of the last ``count`` epochs of SGD, the last (deployed) one first: ``[count, d]``."""
    n, d = records.features.shape
    epochs, batch = EPOCHS_PER_CHECKPOINT * count, min(BATCH, n)
    weights, velocity = np.zeros(d), np.zeros(d)
    steepest = float(np.linalg.eigvalsh(learner.curvature(weights, records)).max()) + learner.ridge
    steps = n // batch
    kept = []
    for epoch in range(epochs):
        order = rng.permutation(n)
        for step in range(steps):
            progress = (epoch * steps + step) / (epochs * steps)
            rate = FIRST_STEP / steepest * 0.5 * (1.0 + math.cos(math.pi * progress))
            rows = records.take(order[step * batch : (step + 1) * batch])
            gradient = learner.gradients(weights, rows).mean(axis=0) + learner.ridge * weights
            velocity = MOMENTUM * velocity + gradient
            weights = weights - rate * velocity
        kept.append(weights)
    return np.stack(kept[-count:][::-1])


def bootstrap(learner: Learner, records: Records, count: int, seed: int) -> FloatArray:
    """The fit to all records, then to bootstrap samples of them: ``[count, d]``.

    A linear model is its own last layer, so this is ``bootstrap`` and ``bootstrap-last`` alike.
    """
    refits = [learner.fit(records.take(bootstrap_rows(len(records), seed=seed, number=k))) for k in range(1, count)]
    return np.stack([learner.fit(records), *refits])


def perturbation(learner: Learner, records: Records, count: int, rng: np.random.Generator) -> FloatArray:
    """The fit, then the fit plus ``eps c N(0, V / n)`` with ``V = 1 / (F + mean F)``: ``[count, d]``.

    F is the diagonal Fisher information, eps goes through 0.5, 1 and 2, and c is the first of 1, 1/2, 1/4, ... at which
    the mean training loss rises by no more than one standard error of it.
    """
    fitted = learner.fit(records)
    fisher = learner.gradients(fitted, records).var(axis=0, ddof=1)
    scale = ((fisher + fisher.mean()) * len(records)) ** -0.5
    noise = scale * rng.standard_normal((count - 1, len(fitted)))

    def losses(factor: float) -> FloatArray:
        return np.asarray(learner.losses((fitted + factor * noise[0])[None], records)[0])

    factor = bearable_factor(losses(0.0), losses)
    sizes = np.array([EPSILONS[k % len(EPSILONS)] for k in range(count - 1)])
    return np.concatenate([fitted[None], fitted + factor * sizes[:, None] * noise])
