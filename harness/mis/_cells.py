"""The law of undecided coordinates: leakage from how much of each float weight its code gives away. Derived here."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from harness.types import Estimate, FloatArray

__all__ = ["Cells", "coordinate_delta", "retained"]

# Resamples of the refits; the interval is narrow, its ends need not be fine.
DRAWS = 200
# Standard deviations beyond which a normal density is zero.
FAR = 40.0


@dataclass(frozen=True, eq=False)
class Cells:
    """How a quantizer divides the line of one weight.

    Args:
        cuts: ascending boundaries ``[c]``.
        keeps: which of the ``c + 1`` cells keep the weight's value; the others are one code each.
    """

    cuts: FloatArray
    keeps: tuple[bool, ...]


def retained(cells: Cells, mean: FloatArray, spread: FloatArray) -> FloatArray:
    """Share of the Fisher information about its mean that a normal weight's code retains, 0 to 1, of mean's shape.

    1 for the float itself, 2/pi for a sign at a tie, 0 for a code that never changes.

    Args:
        cells: the quantizer's.
        mean: of the float weight over trainings.
        spread: its standard deviation, positive.
    """
    # Equal refits have next to no spread, and a square beyond this would overflow.
    edges = np.clip((cells.cuts - mean[..., None]) / spread[..., None], -FAR, FAR)
    far = np.full((*mean.shape, 1), np.inf)
    low, high = np.concatenate([-far, edges], axis=-1), np.concatenate([edges, far], axis=-1)
    mass = ndtr(high) - ndtr(low)
    coded = (_density(low) - _density(high)) ** 2 / np.maximum(mass, np.finfo(np.float64).tiny)
    whole = mass + _first_moment(low) - _first_moment(high)
    share: FloatArray = np.where(cells.keeps, whole, coded).sum(axis=-1)
    return np.clip(share, 0.0, 1.0)


def coordinate_delta(
    cells: Cells, refits: FloatArray, *, n: int, trained_on: int, level: float = 0.95, seed: int = 0
) -> Estimate:
    """``Delta_n`` of a head whose d weights move independently and normally: ``sqrt(u / (2 pi n))``.

    One record moves each weight's mean by ``1/sqrt(n)`` of its spread, so codes that retain ``J_j`` of the information
    have, with and without it, total variation ``E|N(0, u/n)| / 2`` with ``u = sum_j J_j``, the number of undecided
    coordinates. Neglects correlated weights and records of unequal influence; no bound.

    Args:
        cells: the quantizer's.
        refits: float weights of refits ``[K >= 2, d]``.
        n: training-set size to predict for; spreads are scaled to it.
        trained_on: training-set size of the refits.
        level: of the interval.
        seed: of the resamples of the refits, on which mean and spread rest.

    Returns:
        A number within [0, 1] with its percentile interval over refits; ``n`` counts these.
    """
    scale = math.sqrt(trained_on / n)
    rng = np.random.default_rng(seed)
    value = _delta(cells, refits, scale, n)
    drawn = [_delta(cells, refits[rng.integers(len(refits), size=len(refits))], scale, n) for _ in range(DRAWS)]
    low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2])
    # A resample repeats refits, so its spreads are a little small: the interval is drawn around the value.
    shift = value - float(np.mean(drawn))
    return Estimate(
        value,
        min(max(float(low) + shift, 0.0), value),
        max(min(float(high) + shift, 1.0), value),
        len(refits),
        "undecided-coordinates",
        level=level,
    )


def _delta(cells: Cells, refits: FloatArray, scale: float, n: int) -> float:
    spread = np.maximum(refits.std(axis=0, ddof=1) * scale, np.finfo(np.float64).tiny)
    undecided = float(retained(cells, refits.mean(axis=0), spread).sum())
    return min(math.sqrt(undecided / (2.0 * math.pi * n)), 1.0)


def _density(x: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi))


def _first_moment(x: FloatArray) -> FloatArray:
    """``x`` times the density; 0 at infinity."""
    return np.where(np.isfinite(x), x, 0.0) * _density(x)
