"""SR: the confidences of the original and of one variant, sorted by the original's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np

from harness.attacks._base import BaseAttack
from harness.attacks._classifiers import Features, LearnedFit, learn, sklearn_trainer
from harness.attacks._registry import register
from harness.errors import InputError
from harness.types import Adversary, FloatArray, IntArray, Observations

__all__ = ["SortedPairAttack", "SrHeadline", "fit_pair", "sorted_pair"]

# The headline attack chooses one of these by cross-validation on the shadows.
CANDIDATES = ("lr", "dt", "rf", "mlp")


def sorted_pair(original: FloatArray, variant: FloatArray, labels: IntArray, *, with_label: bool) -> FloatArray:
    """SR1 (with the label: SR2) features, all in ascending order of the original's confidences.

    Args:
        original: confidences of the original, ``[n, C]``.
        variant: confidences of the variant, ``[n, C]``.
        labels: true class, ``[n]``.
        with_label: append the one-hot label in the same order (SR2).

    Returns:
        ``[n, 2C]`` or ``[n, 3C]`` in the inputs' type.
    """
    order = np.argsort(original, axis=1, kind="stable")
    blocks = [np.take_along_axis(original, order, axis=1), np.take_along_axis(variant, order, axis=1)]
    if with_label:
        blocks.append((order == labels[:, None]).astype(original.dtype))
    return np.concatenate(blocks, axis=1)


def fit_pair(
    attack: BaseAttack, shadows: Sequence[Observations], pair: tuple[str, str], *, classifier: str, with_label: bool
) -> LearnedFit:
    """Fit one classifier on a pair's sorted features, once per evaluation (SR and MR share it)."""
    for shadow in shadows:
        for variant in pair:
            if variant not in shadow.variants:
                raise InputError(
                    f"{shadow.name}: variant {variant!r} is missing", hint=f"present: {', '.join(shadow.variants)}"
                )

    def features(observations: Observations) -> Features:
        first, second = (observations.confidences_of(v) for v in pair)
        return sorted_pair(first, second, observations.labels, with_label=with_label).astype(np.float32)

    return learn(
        attack,
        shadows,
        key=("pair", pair, with_label, classifier),
        features=features,
        trainer=sklearn_trainer(classifier, seed=attack.seed, n_jobs=attack.n_jobs),
    )


class SortedPairAttack(BaseAttack):
    """A classifier on the confidences of the original and one variant, sorted by the original's.

    CompLeak, arXiv 2507.16872, USENIX Security 2026 (SR); the features are those of Chen, Zhang, Wang, Backes,
    Humbert & Zhang, When machine unlearning jeopardizes privacy, CCS 2021.
    """

    adversary: ClassVar[Adversary] = "SR"
    learned: ClassVar[bool] = True
    classifier: ClassVar[str]
    with_label: ClassVar[bool] = False
    _fitted: LearnedFit

    def fit(self, shadow: Sequence[Observations]) -> Self:
        """Fit the classifier; the cut is chosen on out-of-fold scores."""
        self._require(shadow)
        self._fitted = fit_pair(
            self, shadow, (self.variants[0], self.variants[1]), classifier=self.classifier, with_label=self.with_label
        )
        self.threshold, self.shadow_auc = self._fitted.threshold, self._fitted.shadow_auc
        return self

    def score(self, target: Observations) -> FloatArray:
        """The classifier's log-odds or probability of membership, ``[n]``."""
        return self._fitted.scores_on(target)


@register("sr", family="posterior", alone="posterior-label-rf")
class SrHeadline(SortedPairAttack):
    """SR2 with the classifier of the largest out-of-fold AUC on the shadows; the target is not used.

    CompLeak, arXiv 2507.16872, USENIX Security 2026.
    """

    def fit(self, shadow: Sequence[Observations]) -> Self:
        """Fit every candidate on the shadows and choose the best."""
        self._require(shadow)
        pair = (self.variants[0], self.variants[1])
        fits = {c: fit_pair(self, shadow, pair, classifier=c, with_label=True) for c in CANDIDATES}
        best = max(CANDIDATES, key=lambda c: fits[c].shadow_auc)
        self.chosen["classifier"] = best
        self._fitted = fits[best]
        self.threshold, self.shadow_auc = self._fitted.threshold, self._fitted.shadow_auc
        return self


@register("sr1-lr", family="posterior", alone="posterior-lr")
class Sr1Logistic(SortedPairAttack):
    """SR1 with logistic regression."""

    classifier = "lr"


@register("sr1-dt", family="posterior")
class Sr1Tree(SortedPairAttack):
    """SR1 with a decision tree of ten leaves."""

    classifier = "dt"


@register("sr1-rf", family="posterior", alone="posterior-rf")
class Sr1Forest(SortedPairAttack):
    """SR1 with a random forest."""

    classifier = "rf"


@register("sr1-mlp", family="posterior", alone="posterior-mlp")
class Sr1Perceptron(SortedPairAttack):
    """SR1 with a multi-layer perceptron."""

    classifier = "mlp"


@register("sr2-lr", family="posterior", alone="posterior-label-lr")
class Sr2Logistic(SortedPairAttack):
    """SR2 with logistic regression."""

    classifier = "lr"
    with_label = True


@register("sr2-dt", family="posterior")
class Sr2Tree(SortedPairAttack):
    """SR2 with a decision tree of ten leaves."""

    classifier = "dt"
    with_label = True


@register("sr2-rf", family="posterior", alone="posterior-label-rf")
class Sr2Forest(SortedPairAttack):
    """SR2 with a random forest, the paper's headline attack and the first level of MR."""

    classifier = "rf"
    with_label = True


@register("sr2-mlp", family="posterior", alone="posterior-label-mlp")
class Sr2Perceptron(SortedPairAttack):
    """SR2 with a multi-layer perceptron."""

    classifier = "mlp"
    with_label = True
