"""One variant's log-odds of membership: its band, RMIA's ratio and the references inside, weighed on the shadows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from harness import stats
from harness.attacks._band_ratio import Bands, fit_bands, soft_clip
from harness.attacks._reference_rows import OFFLINE_A, VariantRows
from harness.types import FloatArray, IntArray

__all__ = ["LogOdds", "Mix", "fit_log_odds", "fit_mix"]

# Standardised features grow only logarithmically beyond this, online ratios beyond the second.
FEATURE_BOUND = 8.0
ONLINE_BOUND = 30.0


@dataclass(frozen=True)
class LogOdds:
    """A logistic regression on standardised features."""

    centre: FloatArray
    scale: FloatArray
    weights: FloatArray
    intercept: float

    def __call__(self, features: FloatArray) -> FloatArray:
        """Log-odds of membership, float64 ``[n]``, of features ``[n, d]``."""
        scaled = soft_clip((features - self.centre) / self.scale, FEATURE_BOUND)
        return np.asarray((scaled * self.weights).sum(axis=1) + self.intercept)


def fit_log_odds(features: FloatArray, membership: IntArray) -> LogOdds:
    """Fit the logistic regression on features ``[n, d]``."""
    centre, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    scaled = soft_clip((features - centre) / scale, FEATURE_BOUND)
    model = LogisticRegression(solver="newton-cholesky").fit(scaled, membership)
    return LogOdds(centre, scale, model.coef_[0], float(model.intercept_[0]))


@dataclass(frozen=True)
class Mix:
    """One fold's fit of one variant.

    Args:
        bands: of members and non-members.
        a: the place of RMIA's offline correction in ``OFFLINE_A``.
        weights: of the band's log ratio, RMIA's and, where it is used, the online one.
    """

    bands: Bands
    a: int
    weights: LogOdds

    def __call__(self, rows: VariantRows) -> FloatArray:
        """Log-odds of membership, float64 ``[n]``."""
        return self.weights(_features(self.bands, self.a, rows))


def fit_mix(rows: VariantRows, membership: IntArray) -> Mix:
    """Fit the bands, choose RMIA's correction by the AUC, and weigh both."""
    bands = fit_bands(rows.x, rows.expected, membership)
    aucs = [stats.auc(stats.roc(rows.log_ratios[a], membership)).value for a in range(len(OFFLINE_A))]
    a = int(np.argmax(aucs))
    return Mix(bands, a, fit_log_odds(_features(bands, a, rows), membership))


def _features(bands: Bands, a: int, rows: VariantRows) -> FloatArray:
    columns = [bands.log_ratio(rows.x, rows.expected), rows.log_ratios[a]]
    if rows.online is not None:
        columns.append(soft_clip(rows.online, ONLINE_BOUND))
    return np.column_stack(columns)
