"""Gradient-boosted trees on label-aligned features: six per variant, for any number of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np

from harness.attacks._base import BaseAttack
from harness.attacks._cache import Cache
from harness.attacks._classifiers import Features, LearnedFit, learn, sklearn_trainer
from harness.attacks._registry import register
from harness.attacks._signals import signals_of
from harness.types import FloatArray, Observations

__all__ = ["BoostedTrees", "label_aligned_features"]


def label_aligned_features(observations: Observations, variant: str, cache: Cache) -> Features:
    """Logit-scaled confidence, margin, entropy, modified entropy, largest confidence, correctness; ``[n, 6]``."""
    s = signals_of(observations, variant, cache)
    return np.column_stack((s.logit, s.margin, s.entropy, s.modified_entropy, s.log_max, s.correct))


@register("gbt", family="boosting", headline=True)
class BoostedTrees(BaseAttack):
    """Histogram gradient boosting on the signals that are aligned with the true label.

    In a raw confidence vector the true class is one of C columns, which a linear model cannot select and a forest
    learns slowly; aligned with the label, the same information is in six columns.

    Friedman, Greedy function approximation: a gradient boosting machine, Annals of Statistics 2001.
    """

    learned: ClassVar[bool] = True
    _fitted: LearnedFit

    def fit(self, shadow: Sequence[Observations]) -> Self:
        """Fit the trees; the cut is chosen on out-of-fold scores."""
        self._require(shadow)
        self._fitted = learn(
            self,
            shadow,
            key=("gbt", self._variant),
            features=lambda o: label_aligned_features(o, self._variant, self.cache),
            trainer=sklearn_trainer("gbt", seed=self.seed, n_jobs=self.n_jobs),
            ties=lambda o: signals_of(o, self._variant, self.cache).logit,
        )
        self.threshold, self.shadow_auc = self._fitted.threshold, self._fitted.shadow_auc
        return self

    def score(self, target: Observations) -> FloatArray:
        """Log-odds of membership, ``[n]``; equal ones are in the order of the logit-scaled confidence."""
        return self._fitted.scores_on(target)
