"""The attacks on the entropy of the confidence vector, with one cut or one per class."""

from __future__ import annotations

from harness.attacks._base import BaseAttack
from harness.attacks._class_thresholds import ClassThresholdAttack
from harness.attacks._registry import register
from harness.attacks._signals import signals_of
from harness.types import FloatArray, Observations

__all__ = ["Entropy", "EntropyClass"]


@register("entropy", family="threshold")
class Entropy(BaseAttack):
    """Score ``-H``, the negated prediction entropy, in nats; needs no label.

    Song & Mittal, Systematic evaluation of privacy risks of machine learning models, USENIX Security 2021.
    """

    def score(self, target: Observations) -> FloatArray:
        """Negated entropy, ``[n]``, at most 0."""
        return -signals_of(target, self._variant, self.cache).entropy


@register("entropy-class", family="threshold")
class EntropyClass(ClassThresholdAttack, Entropy):
    """The entropy attack that decides with one cut per class."""
