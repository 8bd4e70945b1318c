"""The gap attack: a correctly classified record is called a member."""

from __future__ import annotations

from harness.attacks._base import BaseAttack
from harness.attacks._registry import register
from harness.attacks._signals import signals_of
from harness.types import FloatArray, Observations

__all__ = ["Correctness"]


@register("correctness", family="threshold", needs=("hard_labels",))
class Correctness(BaseAttack):
    """Score 1 where the largest confidence is the true class's, else 0.

    Its balanced accuracy is half of one plus the gap between members' and non-members' task accuracy, the baseline of
    all other attacks.

    Yeom, Giacomelli, Fredrikson & Jha, Privacy risk in machine learning, CSF 2018 (bounded-loss adversary).
    """

    def score(self, target: Observations) -> FloatArray:
        """1.0 or 0.0 for each record, ``[n]``."""
        return signals_of(target, self._variant, self.cache).correct
