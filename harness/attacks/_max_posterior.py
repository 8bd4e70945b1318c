"""The attack on the largest confidence, which needs no label."""

from __future__ import annotations

from harness.attacks._base import BaseAttack
from harness.attacks._registry import register
from harness.attacks._signals import signals_of
from harness.types import FloatArray, Observations

__all__ = ["MaxPosterior"]


@register("max-posterior", family="threshold")
class MaxPosterior(BaseAttack):
    """Scores the logarithm of the largest confidence.

    Salem, Zhang, Humbert, Berrang, Fritz & Backes, ML-Leaks, NDSS 2019 (adversary 3).
    """

    def score(self, target: Observations) -> FloatArray:
        """Log of the largest confidence, ``[n]``, at most 0."""
        return signals_of(target, self._variant, self.cache).log_max
