"""SAMIA: a small transformer over classes, on confidences, their sensitivity to noise, and the label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from harness.attacks._base import BaseAttack
from harness.attacks._classifiers import Features, LearnedFit, Scorer, learn
from harness.attacks._registry import register
from harness.attacks._torch import require_torch, train_networks
from harness.errors import InputError
from harness.types import Array, FloatArray, IntArray, Observations

__all__ = ["Samia"]

# The published setting.
EPOCHS = 100
RATE = 1e-3
WIDTH = 64
HEADS = 4
FEED_FORWARD = 128
LAYERS = 3
DROPOUT = 0.2


@register("samia", family="attention", needs=("confidences", "noisy_copies"))
class Samia(BaseAttack):
    """Self-attention over the classes' triples (confidence, sensitivity, one-hot label).

    The sensitivity of a record is the mean, over ten noisy copies of it, of the change of each confidence divided by
    the size of the noise; it is measured on the device and is part of the observations. The last epoch is used.

    Yuan & Zhang, Membership inference attacks and defenses in neural network pruning, USENIX Security 2022.
    """

    learned: ClassVar[bool] = True
    _fitted: LearnedFit

    def fit(self, shadow: Sequence[Observations]) -> Self:
        """Train the network; the cut is chosen on out-of-fold scores.

        Raises:
            InputError: an observation has no sensitivity of the variant.
            DependencyError: torch is not installed.
        """
        self._require(shadow)
        for observations in shadow:
            _sensitivity(observations, self._variant)
        require_torch(self.name)
        n_classes = shadow[0].n_classes

        def train(x: Features, y: IntArray, fold: IntArray) -> tuple[FloatArray, Scorer]:
            return train_networks(_builder(n_classes), x, y, fold, epochs=EPOCHS, rate=RATE, seed=self.seed)

        self._fitted = learn(self, shadow, key=(self.name, self._variant), features=self._features, trainer=train)
        self.threshold, self.shadow_auc = self._fitted.threshold, self._fitted.shadow_auc
        return self

    def score(self, target: Observations) -> FloatArray:
        """Log-odds of membership, ``[n]``."""
        _sensitivity(target, self._variant)
        return self._fitted.scores_on(target)

    def _features(self, observations: Observations) -> Features:
        """Confidences, sensitivities and one-hot label, ``[n, 3C]``."""
        p = observations.confidences_of(self._variant)
        one_hot = np.zeros_like(p)
        one_hot[np.arange(len(p)), observations.labels] = 1.0
        return np.concatenate([p, _sensitivity(observations, self._variant), one_hot], axis=1)


def _sensitivity(observations: Observations, variant: str) -> Array:
    """The sensitivities of one variant, ``[n, C]``.

    Raises:
        InputError: the sensitivities were not collected.
    """
    if variant not in observations.sensitivity:
        raise InputError(
            f"{observations.name}/sensitivity/{variant}: missing",
            hint="SAMIA needs answers to noisy copies of each record",
        )
    return observations.sensitivity[variant]


def _builder(n_classes: int) -> Callable[[int], Any]:
    """A function that builds E networks for C classes as one module, ``[E, b, 3C]`` -> ``[E, b, 2]``."""

    def build(networks: int) -> Any:
        import torch
        from torch import nn

        class ClassAttention(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.normalise = nn.BatchNorm1d(3 * n_classes)
                self.embed = nn.Sequential(nn.Linear(3, WIDTH), nn.GELU())
                layer = nn.TransformerEncoderLayer(WIDTH, HEADS, FEED_FORWARD, DROPOUT, "gelu", batch_first=True)
                self.encode = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
                self.decide = nn.Sequential(nn.Linear(WIDTH * n_classes, 64), nn.ReLU(), nn.Linear(64, 2))

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                tokens = self.normalise(x).reshape(len(x), 3, n_classes).transpose(1, 2)
                out: torch.Tensor = self.decide(self.encode(self.embed(tokens)).flatten(1))
                return out

        class SideBySide(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.each = nn.ModuleList(ClassAttention() for _ in range(networks))

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return torch.stack([network(rows) for network, rows in zip(self.each, x, strict=True)])

        return SideBySide()

    return build
