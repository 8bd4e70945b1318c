"""A trained attacker: a logistic regression on pairs of a model and a record, member or not."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.stats import clopper_pearson
from harness.types import Estimate, FloatArray, IntArray
from studies.mis_synthetic.learners import Learner, Records

__all__ = ["implied_delta"]

# Directions in which models vary less than this share of the most varying one carry no information.
LEAST_SHARE = 1e-6


def implied_delta(learner: Learner, weights: FloatArray, records: Records, members: IntArray) -> Estimate:
    """What a trained attacker's accuracy implies, ``2 Acc - 1``; the best possible one reaches ``Delta_n``.

    It sees a model's loss on the record, that loss beside the mean model's, and how far the model lies along the
    record's negative gradient, in units of the models' own covariance (all as shadow models would teach it). Fitted on
    half of the pairs, scored on the others.

    Args:
        learner: what was trained.
        weights: quantized weights of each pair's model, ``[P, d]``.
        records: of each pair.
        members: 1 where the model was trained on the record, ``[P]``.
    """
    half = len(members) // 2
    shadows = weights[:half]
    centre = shadows.mean(axis=0)
    inverse = np.linalg.pinv(np.atleast_2d(np.cov(shadows, rowvar=False)), rcond=LEAST_SHARE, hermitian=True)
    gradients = learner.gradients(centre, records)
    pull = -np.sum(((weights - centre) @ inverse) * _newton(learner, centre, records, gradients), axis=1)
    loss = _losses(learner, weights, records)
    relative = loss - learner.losses(centre[None], records)[0]
    features = np.stack([loss, relative, pull], axis=1)
    attacker = make_pipeline(StandardScaler(), LogisticRegression())
    attacker.fit(features[:half], members[:half])
    scored = len(members) - half
    right = int((attacker.predict(features[half:]) == members[half:]).sum())
    low, high = clopper_pearson(right, scored)
    return Estimate(2.0 * right / scored - 1.0, 2.0 * low - 1.0, 2.0 * high - 1.0, scored, "clopper-pearson")


def _newton(learner: Learner, centre: FloatArray, records: Records, gradients: FloatArray) -> FloatArray:
    """How each record moves the float weights, but for a factor: its gradient through the inverse curvature."""
    curvature = learner.curvature(centre, records)
    return np.asarray(np.linalg.solve(curvature, gradients.T).T, dtype=np.float64)


def _losses(learner: Learner, weights: FloatArray, records: Records) -> FloatArray:
    """Loss of each model on its own record, ``[P]``, a few at a time."""
    step = 256
    parts = []
    for begin in range(0, len(weights), step):
        rows = np.arange(begin, min(begin + step, len(weights)))
        parts.append(np.diag(learner.losses(weights[rows], records.take(rows))))
    return np.concatenate(parts)
