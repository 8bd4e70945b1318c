"""Many figures of the same records: the level at which all of their intervals hold at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from harness.results import Simultaneous
from harness.stats._checks import as_level
from harness.stats._intervals import two_sided_z
from harness.types import FloatArray, IntArray

__all__ = ["covariance_of", "normal_draws", "sample", "simultaneous"]

BoolArray = NDArray[np.bool_]

# Draws of the largest deviation; the share of audits in which an interval misses is then known to .15 points of 5%.
DRAWS = 20_000
# Records that a correlation is estimated from: more would not change its second digit.
MAX_RECORDS = 20_000
# Eigenvalues below this share of the largest are rounding.
RANK = 1e-10


def sample(member: BoolArray, *, seed: int = 0) -> IntArray:
    """Rows enough to estimate correlations from, members and non-members each drawn by themselves, ascending."""
    rng = np.random.default_rng(seed)
    sides = (np.flatnonzero(member), np.flatnonzero(~member))
    few = [rows if len(rows) <= MAX_RECORDS else rng.choice(rows, MAX_RECORDS, replace=False) for rows in sides]
    return np.sort(np.concatenate(few))


def covariance_of(contributions: FloatArray, member: BoolArray, *, counts: tuple[int, int]) -> FloatArray:
    """Covariance of figures that are a mean over members plus a mean over non-members, float64 ``[F, F]``.

    An AUC is one (its contributions are placement values), and so is a balanced accuracy, a difference of two, and,
    near its threshold, a true-positive rate.

    Args:
        contributions: the part of each sampled record in each figure, ``[k, F]``.
        member: whether it is a member, ``[k]``; two of each kind at least.
        counts: members and non-members behind the figures.
    """
    total = np.zeros((contributions.shape[1],) * 2)
    for side, count in zip((member, ~member), counts, strict=True):
        centred = contributions[side] - contributions[side].mean(axis=0)
        total += centred.T @ centred / ((len(centred) - 1) * count)
    return total


def simultaneous(covariance: FloatArray, *, records: int, level: float = 0.95, seed: int = 0) -> Simultaneous:
    """Find the level of each interval so that all of them hold at once with probability ``level``.

    The largest standardised deviation of jointly normal figures ("max-t"): attacks on the same records err together,
    so its quantile lies below Bonferroni's. Few records overstate correlations, so these are shrunk towards none by
    the share that minimises the expected error.

    Hothorn, Bretz & Westfall, Simultaneous inference in general parametric models, Biometrical Journal 2008;
    Schaefer & Strimmer, A shrinkage approach to large-scale covariance matrix estimation, 2005 (the share).

    Args:
        covariance: of the figures, ``[F, F]``; a figure without variance counts as independent of all others.
        records: members or non-members, whichever are fewer.
        level: nominal coverage of all intervals together.
        seed: of the draws.
    """
    level = as_level(level)
    figures = len(covariance)
    bonferroni = two_sided_z(1.0 - (1.0 - level) / max(1, figures))
    if figures <= 1:
        return Simultaneous(figures, level, level, bonferroni, bonferroni)
    largest = np.abs(normal_draws(_correlation(covariance, records), DRAWS, seed=seed)).max(axis=1)
    rank = min(DRAWS, int(np.ceil(level * (DRAWS + 1))))
    # Simulation noise may lift the quantile above a bound that always holds.
    z = min(float(np.sort(largest)[rank - 1]), bonferroni)
    return Simultaneous(figures, level, float(1.0 - 2.0 * ndtr(-z)), z, bonferroni)


def normal_draws(covariance: FloatArray, draws: int, *, seed: int) -> FloatArray:
    """Draws of a centred normal vector with this covariance, which may be singular, float64 ``[draws, F]``."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > RANK * max(float(values[-1]), np.finfo(np.float64).tiny)
    root = vectors[:, kept] * np.sqrt(values[kept])
    return np.asarray(np.random.default_rng(seed).standard_normal((draws, root.shape[1])) @ root.T)


def _correlation(covariance: FloatArray, records: int) -> FloatArray:
    """Correlations, shrunk towards none, with ones on the diagonal."""
    deviation = np.sqrt(np.diag(covariance))
    usable = deviation > 0.0
    scale = np.where(usable, deviation, 1.0)
    correlation = np.where(usable[:, None] & usable[None, :], covariance / np.outer(scale, scale), 0.0)
    off = ~np.eye(len(correlation), dtype=bool)
    noise = float(((1.0 - correlation[off] ** 2) ** 2).sum()) / max(1, records)
    signal = float((correlation[off] ** 2).sum())
    correlation *= 1.0 - (min(1.0, noise / signal) if signal > 0.0 else 0.0)
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation)
