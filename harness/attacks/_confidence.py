"""The attacks on the true class's confidence: with a cut chosen on shadows, or with the mean member loss as cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from harness.attacks._base import BaseAttack
from harness.attacks._folds import stacked_membership
from harness.attacks._registry import register
from harness.attacks._signals import signals_of
from harness.types import FloatArray, Observations

__all__ = ["Confidence", "Yeom"]


@register("confidence", family="threshold", headline=True)
class Confidence(BaseAttack):
    """Score ``log p_y``, the log-confidence of the true class; the cut maximises balanced accuracy on shadows.

    Song & Mittal, Systematic evaluation of privacy risks of machine learning models, USENIX Security 2021.
    """

    def score(self, target: Observations) -> FloatArray:
        """Log-confidence of the true class, ``[n]``, at most 0."""
        return signals_of(target, self._variant, self.cache).log_p


@register("yeom", family="threshold")
class Yeom(Confidence):
    """Scores like :class:`Confidence`; a member has a loss of at most the mean loss of the shadows' members.

    Yeom, Giacomelli, Fredrikson & Jha, Privacy risk in machine learning, CSF 2018 (adversary 2).
    """

    def fit(self, shadow: Sequence[Observations]) -> Self:
        """Set the cut to the members' mean score."""
        super().fit(shadow)
        scores = np.concatenate([self.score(s) for s in shadow])
        self.threshold = float(scores[stacked_membership(shadow) == 1].mean())
        return self
