"""One cut per class: the score orders all records, and each class decides with a cut of its own."""

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
    """A score that is the same for all classes, with ``tau_c`` the cut of class c on the shadows.

    ``threshold`` is the cut for all classes together, which a class with few records has.
    """

    _cuts: FloatArray | None = None

    def fit(self, shadow: Sequence[Observations]) -> Self:
        """Choose the cut of every class."""
        super().fit(shadow)
        scores = np.concatenate([self.score(s) for s in shadow])
        labels = np.concatenate([s.labels for s in shadow])
        self._cuts = class_thresholds(scores, stacked_membership(shadow), labels, shadow[0].n_classes)
        return self

    def cut_of(self, target: Observations) -> FloatArray:
        """The cut of each record's class, ``[n]``."""
        if self._cuts is None:
            raise RuntimeError(f"attack {self.name!r}: cut_of was called before fit")
        return self._cuts[target.labels]
