"""The attacks on the modified entropy, which is small only where the confident class is the true one."""

from __future__ import annotations

from harness.attacks._base import BaseAttack
from harness.attacks._class_thresholds import ClassThresholdAttack
from harness.attacks._registry import register
from harness.attacks._signals import signals_of
from harness.types import FloatArray, Observations

__all__ = ["ModifiedEntropy", "ModifiedEntropyClass"]


@register("modified-entropy", family="threshold")
class ModifiedEntropy(BaseAttack):
    """Score ``-M`` with ``M = -(1-p_y) log p_y - sum_{i != y} p_i log(1-p_i)``, one cut for all classes.

    Song & Mittal, Systematic evaluation of privacy risks of machine learning models, USENIX Security 2021.
    """

    def score(self, target: Observations) -> FloatArray:
        """Negated modified entropy, ``[n]``, at most 0."""
        return -signals_of(target, self._variant, self.cache).modified_entropy


@register("modified-entropy-class", family="threshold", headline=True)
class ModifiedEntropyClass(ClassThresholdAttack, ModifiedEntropy):
    """The modified-entropy attack that decides with one cut per class, as in the paper.

    Song & Mittal, Systematic evaluation of privacy risks of machine learning models, USENIX Security 2021.
    """
