"""A trained attacker on the exact law: a logistic regression on pairs of a model and a record, member or not."""

from __future__ import annotations

import math

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.stats import Estimate, clopper_pearson
from harness.types import FloatArray, IntArray
from studies.mis_synthetic.rounding_law import World

__all__ = ["implied_delta"]


def implied_delta(world: World, quantizer: str, *, n: int, pairs: int, rng: np.random.Generator) -> Estimate:
    """What a trained attacker's accuracy implies, ``2 Acc - 1``; the best possible one reaches ``Delta_n``.

    It sees the model's loss on the record, that loss against the population's best model (which shadow models would
    teach it), and the record's distance from the mean; it is fitted on half of the pairs and scored on the others.

    Args:
        world: the law.
        quantizer: whose models are attacked.
        n: training-set size.
        pairs: (model, record) pairs, half of them with a member.
        rng: source of everything.
    """
    features, membership = _pairs(world, quantizer, n=n, pairs=pairs, rng=rng)
    half = pairs // 2
    attacker = make_pipeline(StandardScaler(), LogisticRegression())
    attacker.fit(features[:half], membership[:half])
    scored = pairs - half
    right = int((attacker.predict(features[half:]) == membership[half:]).sum())
    low, high = clopper_pearson(right, scored)
    return Estimate(2.0 * right / scored - 1.0, 2.0 * low - 1.0, 2.0 * high - 1.0, scored, "clopper-pearson")


def _pairs(
    world: World, quantizer: str, *, n: int, pairs: int, rng: np.random.Generator
) -> tuple[FloatArray, IntArray]:
    records = world.records(pairs, rng)
    membership = rng.permutation(pairs) % 2
    noise = rng.standard_normal(records.shape)
    # Given a member, the training set's mean is Gaussian around a point a little nearer to it.
    inside = world.mean + (records - world.mean) / n + math.sqrt(n - 1) / n * noise
    outside = world.mean + noise / math.sqrt(n)
    trained = world.quantized(np.where(membership[:, None] == 1, inside, outside), quantizer)
    best = world.quantized(world.mean, quantizer)
    loss = np.sum((records - trained) ** 2, axis=1)
    relative = loss - np.sum((records - best) ** 2, axis=1)
    distance = np.sum((records - world.mean) ** 2, axis=1)
    return np.stack([loss, relative, distance], axis=1), membership
