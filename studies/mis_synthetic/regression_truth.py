"""The true leakage of a learner on the regression laws: likelihood ratios, averaged code by code."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from harness.types import FloatArray, IntArray

__all__ = ["Bracket", "leakage_of_codes"]

TWO_SIDED = 1.96


@dataclass(frozen=True)
class Bracket:
    """``Delta_n`` between an estimate that is biased down and one that is biased up, with the records' spread.

    Args:
        value: middle of the two.
        low: the lower one less 1.96 standard errors over target records.
        high: the upper one plus as much.
        how: how it was computed.
    """

    value: float
    low: float
    high: float
    how: str

    def to_json(self) -> dict[str, float | str]:
        """A JSON object."""
        return {"value": self.value, "low": self.low, "high": self.high, "how": self.how}


def leakage_of_codes(codes: IntArray, ratios: FloatArray) -> Bracket:
    """``Delta_n = 1/2 E_z sum_k |p_k(z) - p_k|`` with ``p_k(z) - p_k = E[(L_z - 1) 1{code = k}]``. Derived.

    L_z is the ratio of the training set's density with record z to that without. The plug-in sum over codes is biased
    up by the noise of the draws; with the sign from one half of them and the size from the other it is biased down.

    Args:
        codes: what the learner made of each drawn training set, ``[B]``.
        ratios: L_z of each for each of M target records, ``[B, M]``.
    """
    numbered = np.unique(codes, return_inverse=True)[1]
    half = len(codes) // 2
    # Ratios have mean one; dividing by the drawn mean takes noise away that all codes share.
    change = ratios / ratios.mean(axis=0) - 1.0
    shape = (int(numbered.max()) + 1, half)
    first, second = (
        csr_array((np.ones(half), (numbered[part], np.arange(half))), shape=shape) @ change[part] / half
        for part in (slice(0, half), slice(half, 2 * half))
    )
    lower = 0.25 * np.sum(np.sign(first) * second + np.sign(second) * first, axis=0)
    upper = 0.25 * np.abs(first + second).sum(axis=0)
    reach = TWO_SIDED / math.sqrt(len(upper))
    low = float(lower.mean()) - reach * float(lower.std(ddof=1))
    high = float(upper.mean()) + reach * float(upper.std(ddof=1))
    value = 0.5 * float(lower.mean() + upper.mean())
    return Bracket(max(value, 0.0), max(low, 0.0), min(high, 1.0), "ratios")
