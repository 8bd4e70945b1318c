"""Quantile regression: how confident a model that was not trained on a record would be, from its answer alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Self

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.attacks._base import BaseAttack
from harness.attacks._folds import folds_of, stacked_membership
from harness.attacks._half_step import half_step
from harness.attacks._references import population_of
from harness.attacks._registry import register
from harness.attacks._signals import signals_of
from harness.types import FloatArray, IntArray, Observations

__all__ = ["QuantileRegression", "answer_features"]

# A smaller population says less than the shadows' non-members, of which there are at least twenty.
MIN_POPULATION = 100
PENALTIES = tuple(np.logspace(-1, 4, 12))
# Squared residuals below this share of their mean count as this much: the logarithm of zero has no end.
SMALLEST_SQUARE = 1e-3
# The logarithm of a normal variable's square has this mean, the digamma function of one half plus log 2.
LOG_SQUARE_MEAN = -1.2704
NO_SPREAD = 1e-12

Regression = Callable[[FloatArray], tuple[FloatArray, FloatArray]]


def answer_features(observations: Observations, variant: str) -> FloatArray:
    """What an answer says of a record beside the true class's confidence, float64 ``[n, 2C]``.

    The true class as one-hot, and the logarithms of the other classes' shares of what is left to them; the true
    class's own column holds their mean. Of confidences in steps the shares are left out, as zeros: how many of them
    were rounded to zero says how confident the model was.
    """
    log_p = observations.log_confidences_of(variant)
    n, classes = log_p.shape
    one_hot = np.zeros((n, classes))
    one_hot[np.arange(n), observations.labels] = 1.0
    if variant in observations.confidences and half_step(observations.confidences[variant]):
        return np.concatenate([one_hot, np.zeros((n, classes))], axis=1)
    others = np.where(one_hot > 0, -np.inf, log_p)
    top = others.max(axis=1, keepdims=True)
    shares = log_p - top - np.log(np.exp(others - top).sum(axis=1, keepdims=True))
    mean = np.where(one_hot > 0, 0.0, shares).sum(axis=1, keepdims=True) / (classes - 1)
    return np.concatenate([one_hot, np.where(one_hot > 0, mean, shares)], axis=1)


def _regress(features: FloatArray, logits: FloatArray) -> Regression:
    """Mean and standard deviation of the logit-scaled confidence given the features, by two ridge regressions.

    The second is of the logarithm of squared residuals, each from the fit without its own record.
    """
    location = make_pipeline(StandardScaler(), RidgeCV(PENALTIES, store_cv_results=True)).fit(features, logits)
    ridge = location[-1]
    squares = ridge.cv_results_[:, PENALTIES.index(ridge.alpha_)]
    log_squares = np.log(np.maximum(squares, SMALLEST_SQUARE * squares.mean() + NO_SPREAD**2))
    scale = make_pipeline(StandardScaler(), RidgeCV(PENALTIES)).fit(features, log_squares)
    # A linear form has no bounds; a record far outside takes the smallest or largest spread of the middle nine tenths.
    low, high = np.quantile(scale.predict(features), (0.05, 0.95))

    def predict(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        log_variance = np.clip(scale.predict(rows), low, high) - LOG_SQUARE_MEAN
        return np.asarray(location.predict(rows)), np.exp(0.5 * log_variance)

    return predict


@register("quantile", family="quantile")
class QuantileRegression(BaseAttack):
    """Scores how far a record's logit-scaled confidence is above what its answer predicts for a non-member.

    Mean and spread are predicted from the true class and the other classes' confidences, by regressions that are
    fitted on non-members alone: the model's own population where it has one, else the shadows' non-members. The score
    is the distance in spreads, so that one cut is one quantile for every record. No references are needed.

    Bertran, Tang, Kearns, Morgenstern, Roth & Wu, Scalable membership inference attacks via quantile regression,
    NeurIPS 2023; theirs predicts from the record itself, which answers do not show.
    """

    learned: ClassVar[bool] = True
    _regression: Regression | None = None

    def fit(self, shadow: Sequence[Observations]) -> Self:
        """Fit on the shadows' non-members, and choose the cut on scores of records that were not fitted on."""
        self._require(shadow)
        membership = stacked_membership(shadow)
        features = np.concatenate([answer_features(s, self._variant) for s in shadow])
        logits = np.concatenate([self._logits(s) for s in shadow])
        if all(self._has_population(s) for s in shadow):
            scores = np.concatenate([self._score(self._of_population(s), s) for s in shadow])
        else:
            fold = folds_of(shadow, folds=self.folds, seed=self.seed, cache=self.cache)
            scores = _out_of_fold(features, logits, membership, fold)
        outside = membership == 0
        self._regression = _regress(features[outside], logits[outside])
        self._settle(scores, membership)
        return self

    def score(self, target: Observations) -> FloatArray:
        """Distance of the logit-scaled confidence above the predicted one, in predicted spreads, ``[n]``."""
        if self._has_population(target):
            self.chosen = {"fitted_on": "population"}
            return self._score(self._of_population(target), target)
        if self._regression is None:
            raise RuntimeError(f"attack {self.name!r}: score was called before fit")
        self.chosen = {"fitted_on": "non-members of the shadows"}
        return self._score(self._regression, target)

    def _score(self, regression: Regression, observations: Observations) -> FloatArray:
        mean, spread = regression(answer_features(observations, self._variant))
        return (self._logits(observations) - mean) / spread

    def _of_population(self, observations: Observations) -> Regression:
        z = population_of(observations, (self._variant,), references=False)
        key = ("quantile", self._variant)
        return self.cache.get(key, [z], lambda: _regress(answer_features(z, self._variant), self._logits(z)))

    def _has_population(self, observations: Observations) -> bool:
        z = observations.population
        return z is not None and self._variant in z.variants and len(z) >= MIN_POPULATION

    def _logits(self, observations: Observations) -> FloatArray:
        return signals_of(observations, self._variant, self.cache).logit


def _out_of_fold(features: FloatArray, logits: FloatArray, membership: IntArray, fold: IntArray) -> FloatArray:
    """Scores of each fold's records by a regression on the non-members of the others, ``[N]``."""
    scores = np.empty(len(logits))
    for k in np.unique(fold):
        held, outside = fold == k, (fold != k) & (membership == 0)
        mean, spread = _regress(features[outside], logits[outside])(features[held])
        scores[held] = (logits[held] - mean) / spread
    return scores
