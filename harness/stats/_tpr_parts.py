"""Each record's part in a true-positive rate: what shows how the rates of several attacks vary together."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness.stats._roc import Roc
from harness.types import FloatArray

__all__ = ["expected_false_positives", "tpr_parts"]

# The slope of a ROC curve at a rate, between this fraction and this multiple of it.
SLOPE_SPAN = 2.0
# A rate times a count is a whole number in most audits; rounding must not take one off.
ROUNDING = 1e-9


def expected_false_positives(curve: Roc, fpr: float) -> float:
    """How many false positives a rate allows; a whole number is not below itself."""
    return fpr * curve.n_nonmembers + ROUNDING


def tpr_parts(curve: Roc, scores: FloatArray, member: NDArray[np.bool_], fpr: float) -> FloatArray:
    """Each record's part in the true-positive rate at a false-positive rate, float64 ``[k]``.

    A non-member above the threshold moves the threshold; the rate moves by the curve's slope there.

    Args:
        curve: of all records.
        scores: of the records whose parts are wanted, ``[k]``.
        member: whether each of them is a member, ``[k]``.
        fpr: the false-positive rate, a fraction in (0, 1).
    """
    at = int(np.searchsorted(curve.fp, math.floor(expected_false_positives(curve, fpr)), side="right")) - 1
    ends = fpr / SLOPE_SPAN, min(1.0, fpr * SLOPE_SPAN)
    low, high = (int(np.searchsorted(curve.fpr, rate, side="right")) - 1 for rate in ends)
    run = float(curve.fpr[high] - curve.fpr[low])
    slope = float(curve.tpr[high] - curve.tpr[low]) / run if run > 0.0 else 1.0
    return np.asarray((scores >= curve.thresholds[at]) * np.where(member, 1.0, -slope))
