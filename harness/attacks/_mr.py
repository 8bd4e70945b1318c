"""MR: a stack of out-of-fold scores of several variants, with or without the original."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np

from harness.attacks._base import BaseAttack
from harness.attacks._classifiers import LearnedFit, Trainer, learn, sklearn_trainer
from harness.attacks._posterior import fit_posterior
from harness.attacks._registry import register
from harness.attacks._signals import signals_of
from harness.attacks._sr import fit_pair
from harness.types import Adversary, FloatArray, Observations

__all__ = ["MrLogistic", "StackedAttack"]


class StackedAttack(BaseAttack):
    """A second-level classifier on one score and one loss per compressed variant.

    With the original in view a variant's score is that of the SR2 forest on (original, variant); without it, that of
    the forest on the variant's confidences and label. On the shadows' rows these scores are out of fold,
    because a first-level forest is overconfident on the rows that it was fitted on. Each column belongs to one
    variant, and each row to its own shadow.

    CompLeak, arXiv 2507.16872, USENIX Security 2026 (MR); out-of-fold stacking: Wolpert, Stacked generalization, 1992.
    """

    adversary: ClassVar[Adversary] = "MR"
    learned: ClassVar[bool] = True
    _fitted: LearnedFit

    @property
    def compressed(self) -> tuple[str, ...]:
        """The compressed variants in view."""
        return tuple(v for v in self.variants if v != self.original)

    def trainer(self) -> Trainer:
        """The second-level classifier."""
        raise NotImplementedError

    def fit(self, shadow: Sequence[Observations]) -> Self:
        """Fit the first level out of fold, then the second; the cut is chosen on out-of-fold scores."""
        self._require(shadow)
        first = self._first_level(shadow)

        def stacked() -> FloatArray:
            scores = np.column_stack([f.out_of_fold for f in first])
            return np.concatenate([scores, np.concatenate([self._losses(s) for s in shadow])], axis=1)

        def features(target: Observations) -> FloatArray:
            scores = np.column_stack([f.scores_on(target) for f in first])
            return np.concatenate([scores, self._losses(target)], axis=1)

        self._fitted = learn(
            self, shadow, key=(self.name, self.variants), features=features, stacked=stacked, trainer=self.trainer()
        )
        self.threshold, self.shadow_auc = self._fitted.threshold, self._fitted.shadow_auc
        return self

    def score(self, target: Observations) -> FloatArray:
        """The second level's score, ``[n]``."""
        return self._fitted.scores_on(target)

    def _first_level(self, shadow: Sequence[Observations]) -> list[LearnedFit]:
        if self.original in self.variants:
            return [
                fit_pair(self, shadow, (self.original, v), classifier="rf", with_label=True) for v in self.compressed
            ]
        return [fit_posterior(self, shadow, v, classifier="rf", with_label=True) for v in self.compressed]

    def _losses(self, observations: Observations) -> FloatArray:
        """Cross-entropy of each compressed variant, nats, float64 ``[n, c]``."""
        return np.column_stack([-signals_of(observations, v, self.cache).log_p for v in self.compressed])


@register("mr-logistic", family="stack", alone="posterior-label-rf")
class MrLogistic(StackedAttack):
    """MR with a logistic regression as the second level: it has few parameters and is the most stable of the three.

    CompLeak, arXiv 2507.16872, USENIX Security 2026.
    """

    def trainer(self) -> Trainer:
        """Scaled logistic regression."""
        return sklearn_trainer("lr", seed=self.seed, n_jobs=self.n_jobs)
