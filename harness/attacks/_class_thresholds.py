"""One cut per class, subtracted from the score, so that one score serves every metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from harness import stats
from harness.attacks._base import BaseAttack
from harness.attacks._folds import stacked_membership
from harness.types import FloatArray, IntArray, Observations

__all__ = ["MIN_SIDE", "ClassThresholdAttack", "class_thresholds"]

# With fewer members or non-members of a class its own cut would be noise; the global cut is used.
MIN_SIDE = 20


def class_thresholds(
    scores: FloatArray, membership: IntArray, labels: IntArray, n_classes: int, *, min_side: int = MIN_SIDE
) -> FloatArray:
    """The cut of each class that maximises balanced accuracy among its own records.

    Args:
        scores: ``[N]``.
        membership: 0 or 1, ``[N]``.
        labels: true class, ``[N]``.
        n_classes: number of classes C.
        min_side: members, and non-members, that a class needs for a cut of its own.

    Returns:
        float64 ``[C]``; the global cut where a class has too few records.
    """
    cuts = np.full(n_classes, stats.best_threshold(scores, membership))
    members = np.bincount(labels, weights=membership, minlength=n_classes)
    sizes = np.bincount(labels, minlength=n_classes)
    ends = np.cumsum(sizes)
    by_class = np.argsort(labels, kind="stable")
    for c in np.flatnonzero((members >= min_side) & (sizes - members >= min_side)):
        rows = by_class[ends[c] - sizes[c] : ends[c]]
        cuts[c] = stats.best_threshold(scores[rows], membership[rows])
    return cuts


class ClassThresholdAttack(BaseAttack):
    """Scores ``s - tau_y``, with ``tau_c`` the cut of class c on the shadows; the decision cut is 0."""

    _cuts: FloatArray | None = None

    def raw_score(self, observations: Observations) -> FloatArray:
        """The score before the class's cut is subtracted, ``[n]``."""
        raise NotImplementedError

    def fit(self, shadow: Sequence[Observations]) -> Self:
        """Choose the cut of every class."""
        self._require(shadow)
        scores = np.concatenate([self.raw_score(s) for s in shadow])
        labels = np.concatenate([s.labels for s in shadow])
        membership = stacked_membership(shadow)
        self._cuts = class_thresholds(scores, membership, labels, shadow[0].n_classes)
        self.shadow_auc = stats.auc(stats.roc(scores - self._cuts[labels], membership)).value
        self.threshold = 0.0
        return self

    def score(self, target: Observations) -> FloatArray:
        """The score minus the class's cut, ``[n]``."""
        if self._cuts is None:
            raise RuntimeError(f"attack {self.name!r}: score was called before fit")
        return self.raw_score(target) - self._cuts[target.labels]
