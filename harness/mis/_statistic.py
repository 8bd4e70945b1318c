"""The signed root of a rival's exponent on one fold, and on all resamples of it by matrix products."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.mis._chernoff import chernoff, ties
from harness.mis._pairs import SNR_LIMIT, signal_to_noise
from harness.types import FloatArray

__all__ = ["METHODS", "FoldValue", "fold_value", "resampled_roots"]

METHODS = ("gauss", "chernoff")
# Grid of tilts for the resamples, in standard errors of the tilt; wide enough for a thousand resamples.
GRID = np.linspace(-5.0, 5.0, 21)


@dataclass(frozen=True)
class FoldValue:
    """The exponent of one pair on one fold.

    Args:
        root: signed ``s`` with ``r = max(s, 0)^2 / 2``; for the Gaussian formula ``delta / sigma``. Within +-1e6.
        bias: upward bias of the plug-in ``r``.
    """

    root: float
    bias: float

    @property
    def exponent(self) -> float:
        """Debiased, so it may be a little below zero; 0 where the rival is the better one on this fold."""
        return 0.5 * self.root * self.root - self.bias if self.root > 0 else 0.0


def fold_value(x: FloatArray, *, method: str, units: int) -> FoldValue:
    """The exponent of loss differences ``x`` (rival minus reference) on a fold of ``units`` independent units."""
    if method == "gauss":
        return FoldValue(float(signal_to_noise(x.mean(), x.std(ddof=1))), 0.5 / units)
    sign = -1.0 if x.mean() < 0 else 1.0
    exact = chernoff(sign * x)
    root = sign * min(math.sqrt(2.0 * exact.exponent), SNR_LIMIT)
    return FoldValue(root, exact.bias / units)


def resampled_roots(x: FloatArray, counts: FloatArray, *, method: str) -> FloatArray:
    """Signed roots of one fold under resamples: ``x [N]``, ``counts [draws, N]`` to ``[draws]``.

    The pair is the one that the other fold selected: selecting again in each resample would double the selection bias.
    """
    total = counts.sum(axis=1)
    resolved = total > 1.0  # a resample with fewer than two records of the fold has no spread: root 0
    roots = (_gauss_roots if method == "gauss" else _chernoff_roots)(x, counts, np.maximum(total, 2.0))
    return np.asarray(np.where(resolved, roots, 0.0))


def _gauss_roots(x: FloatArray, counts: FloatArray, total: FloatArray) -> FloatArray:
    centre = x.mean()
    centred = x - centre
    # About the fold's mean, so that a small spread is not lost in a large gap.
    shift, square = (counts @ np.stack([centred, centred * centred], axis=1) / total[:, None]).T
    variance = np.maximum(square - shift * shift, 0.0) * total / (total - 1.0)
    return signal_to_noise(centre + shift, np.sqrt(variance))


def _chernoff_roots(x: FloatArray, counts: FloatArray, total: FloatArray) -> FloatArray:
    sign = -1.0 if x.mean() < 0 else 1.0
    values = sign * x
    exact = chernoff(values)
    if exact.status == "never_beaten" or exact.sd_tilt == 0:
        tied = np.minimum(counts @ ties(values).astype(np.float64) / total, 1.0)
        with np.errstate(divide="ignore"):
            root = np.sqrt(-2.0 * np.log(tied))
        return np.asarray(sign * np.minimum(root, SNR_LIMIT))
    # log E exp(-tX) of all resamples at a grid of tilts is one matrix product; its minimum lies between grid points.
    t = exact.tau + GRID * exact.se_tau / math.sqrt(len(x))
    powers = -values[:, None] * t
    shift = powers.max(axis=0)
    mass = counts @ np.exp(powers - shift) / total[:, None]
    log_mgf = shift + np.log(np.maximum(mass, np.finfo(np.float64).tiny))
    value, at = _grid_minimum(log_mgf, t)
    root = np.sqrt(2.0 * np.maximum(-value, 0.0)) * np.sign(at)
    return np.asarray(sign * np.clip(root, -SNR_LIMIT, SNR_LIMIT))


def _grid_minimum(y: FloatArray, t: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Minimum of each row by the parabola through its lowest grid point and that one's neighbours."""
    i = np.clip(np.argmin(y, axis=1), 1, len(t) - 2)
    rows = np.arange(len(y))
    left, mid, right = y[rows, i - 1], y[rows, i], y[rows, i + 1]
    curvature = np.maximum(left - 2.0 * mid + right, np.finfo(np.float64).tiny)
    offset = np.clip(0.5 * (left - right) / curvature, -1.0, 1.0)
    step = t[1] - t[0]
    return mid - 0.25 * (left - right) * offset, t[i] + offset * step
