"""The bound of epsilon that takes the best of all thresholds as if it had been chosen beforehand."""

from __future__ import annotations

import numpy as np
from scipy.special import betaincinv

from harness.stats import Roc

__all__ = ["uncorrected_epsilon"]


def uncorrected_epsilon(curve: Roc, alpha: float = 0.05) -> float:
    """Clopper-Pearson of both rates at every threshold, and the best of them all: what others report."""
    tp, fp, m, n = curve.tp[1:-1], curve.fp[1:-1], curve.n_members, curve.n_nonmembers
    tpr_low = np.where(tp > 0, betaincinv(np.maximum(tp, 1), m - tp + 1, alpha / 2), 0.0)
    fpr_high = np.where(fp < n, betaincinv(fp + 1, np.maximum(n - fp, 1), 1 - alpha / 2), 1.0)
    with np.errstate(divide="ignore"):
        return float(max(0.0, np.log(tpr_low / fpr_high).max(), np.log((1 - fpr_high) / (1 - tpr_low)).max()))
