"""SR and MR without a first level: boosted trees on the label-aligned features of every variant in view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np

from harness.attacks._base import BaseAttack
from harness.attacks._classifiers import Features, LearnedFit, learn, sklearn_trainer
from harness.attacks._gbt import label_aligned_features
from harness.attacks._registry import register
from harness.attacks._signals import signals_of
from harness.types import Adversary, FloatArray, Observations

__all__ = ["MrBoostedTrees", "SrBoostedTrees"]


@register("mr-gbt", family="boosting", alone="gbt", headline=True)
class MrBoostedTrees(BaseAttack):
    """Histogram gradient boosting on six label-aligned features per variant, and their spread over variants.

    Trees split one column at a time, so the difference of each variant's logit-scaled confidence from the variants'
    mean is a column of its own.

    Not from the paper on MR (CompLeak, arXiv 2507.16872).
    """

    adversary: ClassVar[Adversary] = "MR"
    learned: ClassVar[bool] = True
    _fitted: LearnedFit

    def fit(self, shadow: Sequence[Observations]) -> Self:
        """Fit the trees; the cut is chosen on out-of-fold scores."""
        self._require(shadow)
        self._fitted = learn(
            self,
            shadow,
            key=(self.name, self.variants),
            features=self._features,
            trainer=sklearn_trainer("gbt", seed=self.seed, n_jobs=self.n_jobs),
            ties=lambda o: self._logits(o).mean(axis=1),
        )
        self.threshold, self.shadow_auc = self._fitted.threshold, self._fitted.shadow_auc
        return self

    def score(self, target: Observations) -> FloatArray:
        """Log-odds of membership, ``[n]``; equal ones are in the order of the mean logit-scaled confidence."""
        return self._fitted.scores_on(target)

    def _features(self, observations: Observations) -> Features:
        aligned = [label_aligned_features(observations, v, self.cache) for v in self.variants]
        logits = self._logits(observations)
        mean = logits.mean(axis=1, keepdims=True)
        return np.concatenate([*aligned, mean, logits - mean], axis=1)

    def _logits(self, observations: Observations) -> FloatArray:
        """Logit-scaled confidences, ``[n, v]``."""
        return np.column_stack([signals_of(observations, v, self.cache).logit for v in self.variants])


@register("sr-gbt", family="boosting", alone="gbt", headline=True)
class SrBoostedTrees(MrBoostedTrees):
    """The same trees on the original and one variant; not from the paper on SR (CompLeak, arXiv 2507.16872)."""

    adversary: ClassVar[Adversary] = "SR"
