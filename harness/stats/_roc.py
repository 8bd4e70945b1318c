"""The ROC curve as counts, from one sort; every metric of this package is computed from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import InputError
from harness.stats._checks import as_membership, as_scores

__all__ = ["Roc", "as_roc", "roc"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Roc:
    """True and false positives of the rule "member iff score >= threshold", at every distinct threshold.

    Point 0 is the rule that calls nobody a member (threshold +inf); the last point calls everybody one.

    Args:
        thresholds: +inf, then the distinct scores, descending; float64 ``[k]``.
        tp: members at or above each threshold, int64 ``[k]``.
        fp: non-members at or above each threshold, int64 ``[k]``.
        n_members: number of members.
        n_nonmembers: number of non-members.
    """

    thresholds: FloatArray
    tp: IntArray
    fp: IntArray
    n_members: int
    n_nonmembers: int

    def __len__(self) -> int:
        return len(self.thresholds)

    @property
    def n(self) -> int:
        """Number of records."""
        return self.n_members + self.n_nonmembers

    @property
    def tpr(self) -> FloatArray:
        """True-positive rate at each threshold, fractions."""
        return self.tp / self.n_members

    @property
    def fpr(self) -> FloatArray:
        """False-positive rate at each threshold, fractions."""
        return self.fp / self.n_nonmembers

    def index_of(self, threshold: float) -> int:
        """Index of the point of the rule "member iff score >= threshold"; the threshold may be any number."""
        return int(np.searchsorted(-self.thresholds, -threshold, side="right")) - 1


def roc(scores: ArrayLike, membership: ArrayLike) -> Roc:
    """Count true and false positives at every distinct score.

    Args:
        scores: larger = more likely a member, ``[n]``.
        membership: 1 for members, 0 for non-members, ``[n]``.

    Raises:
        InputError: lengths differ, a score is not finite, or one class is missing.
    """
    values = as_scores(scores)
    member = as_membership(membership, len(values))
    order = np.argsort(-values)
    ranked = values[order]
    # A threshold lies between two different scores: records that tie are taken together.
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    tp = np.cumsum(member[order], dtype=np.int64)[last]
    return Roc(
        thresholds=np.concatenate(([np.inf], ranked[last])),
        tp=np.concatenate(([0], tp)),
        fp=np.concatenate(([0], last + 1 - tp)),
        n_members=int(tp[-1]),
        n_nonmembers=int(len(ranked) - tp[-1]),
    )


def as_roc(scores: Roc | ArrayLike, membership: ArrayLike | None) -> Roc:
    """The curve itself, or the curve of an array of scores.

    Raises:
        InputError: membership is given with a curve, which holds it already, or the arrays are unusable.
    """
    if isinstance(scores, Roc):
        if membership is not None:
            raise InputError("membership: given with a Roc, which holds it already", hint="leave it out")
        return scores
    if membership is None:
        raise InputError("membership: missing", hint="give it wherever scores are an array")
    return roc(scores, membership)
