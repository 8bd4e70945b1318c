"""The learned attacks on the raw confidence vector, without (Shokri) and with (Nasr) the true label.

They run where they are named only: a linear model of an unsorted vector cannot select the true class, and a forest
needs thousands of records to. AUC .48 to .52 where the true class's confidence has .83 to .95.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Self

import numpy as np

from harness.attacks._base import BaseAttack
from harness.attacks._cache import Cache
from harness.attacks._classifiers import Features, LearnedFit, learn, sklearn_trainer
from harness.attacks._registry import register
from harness.attacks._signals import signals_of
from harness.errors import InputError
from harness.types import FloatArray, Observations

__all__ = ["PosteriorAttack", "fit_posterior", "posterior_features"]


def posterior_features(observations: Observations, variant: str, *, with_label: bool) -> Features:
    """The unsorted confidence vector, with the one-hot label if ``with_label``; float32 ``[n, C]`` or ``[n, 2C]``."""
    p = observations.confidences_of(variant).astype(np.float32)
    if not with_label:
        return p
    one_hot = np.zeros_like(p)
    one_hot[np.arange(len(p)), observations.labels] = 1.0
    return np.concatenate([p, one_hot], axis=1)


def fit_posterior(
    attack: BaseAttack, shadows: Sequence[Observations], variant: str, *, classifier: str, with_label: bool
) -> LearnedFit:
    """Fit one classifier on the posterior of one variant, once per evaluation."""
    for shadow in shadows:
        if variant not in shadow.variants:
            raise InputError(
                f"{shadow.name}: variant {variant!r} is missing", hint=f"present: {', '.join(shadow.variants)}"
            )
    return learn(
        attack,
        shadows,
        key=("posterior", variant, with_label, classifier),
        features=lambda o: posterior_features(o, variant, with_label=with_label),
        trainer=sklearn_trainer(classifier, seed=attack.seed, n_jobs=attack.n_jobs),
        # The leaves of a forest hold many records; the others give hardly two records one score.
        ties=partial(_order_of_ties, variant=variant, with_label=with_label, cache=attack.cache)
        if classifier == "rf"
        else None,
    )


def _order_of_ties(observations: Observations, *, variant: str, with_label: bool, cache: Cache) -> FloatArray:
    """The logit-scaled confidence of the true class, or the largest log-confidence without the label, ``[n]``."""
    signals = signals_of(observations, variant, cache)
    return signals.logit if with_label else signals.log_max


class PosteriorAttack(BaseAttack):
    """One classifier over all classes on the confidence vector.

    Shokri, Stronati, Song & Shmatikov, Membership inference attacks against machine learning models, S&P 2017
    (``posterior-*``); Nasr, Shokri & Houmansadr, Machine learning with membership privacy using adversarial
    regularization, CCS 2018 (``posterior-label-*``).
    """

    learned: ClassVar[bool] = True
    classifier: ClassVar[str]
    with_label: ClassVar[bool] = False
    _fitted: LearnedFit

    def fit(self, shadow: Sequence[Observations]) -> Self:
        """Fit the classifier; the cut is chosen on out-of-fold scores."""
        self._require(shadow)
        self._fitted = fit_posterior(
            self, shadow, self._variant, classifier=self.classifier, with_label=self.with_label
        )
        self.threshold, self.shadow_auc = self._fitted.threshold, self._fitted.shadow_auc
        return self

    def score(self, target: Observations) -> FloatArray:
        """The classifier's log-odds or probability of membership, ``[n]``."""
        return self._fitted.scores_on(target)


@register("posterior-lr", family="posterior")
class PosteriorLogistic(PosteriorAttack):
    """Logistic regression on the confidence vector."""

    classifier = "lr"


@register("posterior-rf", family="posterior")
class PosteriorForest(PosteriorAttack):
    """Random forest on the confidence vector."""

    classifier = "rf"


@register("posterior-mlp", family="posterior")
class PosteriorPerceptron(PosteriorAttack):
    """Multi-layer perceptron on the confidence vector."""

    classifier = "mlp"


@register("posterior-label-lr", family="posterior")
class PosteriorLabelLogistic(PosteriorAttack):
    """Logistic regression on the confidence vector and the one-hot label."""

    classifier = "lr"
    with_label = True


@register("posterior-label-rf", family="posterior")
class PosteriorLabelForest(PosteriorAttack):
    """Random forest on the confidence vector and the one-hot label."""

    classifier = "rf"
    with_label = True


@register("posterior-label-mlp", family="posterior")
class PosteriorLabelPerceptron(PosteriorAttack):
    """Multi-layer perceptron on the confidence vector and the one-hot label."""

    classifier = "mlp"
    with_label = True
