"""MR with the paper's two-branch network as the second level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np

from harness.attacks._classifiers import Features, Scorer, Trainer
from harness.attacks._mr import StackedAttack
from harness.attacks._registry import register
from harness.attacks._torch import require_torch, train_networks
from harness.types import FloatArray, IntArray, Observations

__all__ = ["MrNet"]

# The published setting.
EPOCHS = 100
RATE = 1e-2
DROPOUT = 0.5
BRANCH = (128, 64)
JOINT = (128, 256, 128, 64)


@register("mr-net", family="stack", alone="posterior-label-rf")
class MrNet(StackedAttack):
    """MR with two branches of 128 and 64 units, for probabilities and for losses, joined by 256, 128 and 64 units.

    Trained for the published 100 epochs; the result is the last one. Unlike in the reference code, inputs are
    standardised (a loss of 70 nats makes its unscaled SGD diverge) and the first level's scores are out of fold.

    CompLeak, arXiv 2507.16872, USENIX Security 2026 (MR).
    """

    def fit(self, shadow: Sequence[Observations]) -> Self:
        """Fit the first level out of fold, then the network.

        Raises:
            DependencyError: torch is not installed; raised before the first level is fitted.
        """
        require_torch(self.name)
        return super().fit(shadow)

    def trainer(self) -> Trainer:
        """The two-branch network."""
        count = len(self.compressed)

        def train(x: Features, y: IntArray, fold: IntArray) -> tuple[FloatArray, Scorer]:
            rows = _with_both_probabilities(x, count)
            out_of_fold, scorer = train_networks(
                _builder(count), rows, y, fold, epochs=EPOCHS, rate=RATE, seed=self.seed
            )
            return out_of_fold, lambda new: scorer(_with_both_probabilities(new, count))

        return train


def _with_both_probabilities(x: Features, count: int) -> Features:
    """``[P(member), losses]`` -> ``[P(non-member), P(member), losses]``, the inputs of the published network."""
    return np.concatenate([1.0 - x[:, :count], x], axis=1)


def _builder(count: int) -> Callable[[int], Any]:
    """A function that builds E networks for ``count`` variants as one module, ``[E, b, 3 count]`` -> ``[E, b, 2]``."""

    def build(networks: int) -> Any:
        import torch
        from torch import nn

        class Linears(nn.Module):
            """E parallel linear layers with the initialisation of ``nn.Linear``."""

            def __init__(self, width: int, after: int) -> None:
                super().__init__()
                bound = width**-0.5
                self.weight = nn.Parameter(torch.empty(networks, width, after).uniform_(-bound, bound))
                self.bias = nn.Parameter(torch.empty(networks, 1, after).uniform_(-bound, bound))

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return torch.baddbmm(self.bias, x, self.weight)

        class SharedDropout(nn.Module):
            """Dropout with one mask for all E networks, because drawing E masks doubles the time."""

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                if not self.training:
                    return x
                return x * ((torch.rand(x.shape[1:]) >= DROPOUT) / (1.0 - DROPOUT))

        def branch(width: int) -> nn.Sequential:
            hidden, out = BRANCH
            return nn.Sequential(Linears(width, hidden), nn.ReLU(), SharedDropout(), Linears(hidden, out))

        class TwoBranches(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.probabilities, self.losses = branch(2 * count), branch(count)
                layers: list[nn.Module] = [SharedDropout()]
                for width, after in pairwise(JOINT):
                    layers += [Linears(width, after), nn.ReLU(), SharedDropout()]
                self.joint = nn.Sequential(*layers, Linears(JOINT[-1], 2))

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                branches = (self.probabilities(x[..., : 2 * count]), self.losses(x[..., 2 * count :]))
                out: torch.Tensor = self.joint(torch.cat(branches, dim=-1))
                return out

        return TwoBranches()

    return build
