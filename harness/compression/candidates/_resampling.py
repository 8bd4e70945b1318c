"""Resampled records: bootstrap samples for retraining, random halves for calibration."""

from __future__ import annotations

import numpy as np

from harness.types import IntArray

__all__ = ["bootstrap_rows", "random_half"]


def bootstrap_rows(n: int, *, seed: int, number: int) -> IntArray:
    """Rows of a bootstrap sample: n of n, with replacement, the same for equal seed and number (Efron 1979)."""
    return np.random.default_rng([seed, number]).integers(n, size=n)


def random_half(n: int, *, seed: int, number: int) -> IntArray:
    """Rows of a random half of n records, ascending, the same for equal seed and number."""
    return np.sort(np.random.default_rng([seed, number]).permutation(n)[: max(1, n // 2)])
