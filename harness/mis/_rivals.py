"""All rivals at once: their roots, what resamples add to them together, and an interval of the smallest."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from harness.mis._statistic import pair_root
from harness.mis._units import Units
from harness.types import FloatArray

__all__ = ["Rivals", "Smallest", "critical", "rivals_of", "two_sided_t"]

# Records a block in the products with the resamples, so that a block stays in the cache.
BLOCK = 2048


@dataclass(frozen=True)
class Smallest:
    """The smallest of several roots: lower end, estimate, upper end."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True, eq=False)
class Rivals:
    """The rivals of one quantizer's best candidate, the closest first.

    Args:
        roots: signed roots on all records, ``[R]``.
        errors: their standard errors, ``[R]``.
        noise: what each resample of the records adds to the roots of the contenders, ``[C <= R, draws]``. Contenders
            are the rivals that the records do not separate from the closest one.
        bias: upward bias of the closest rival's plug-in ``r``.
        units: independent records.
    """

    roots: FloatArray
    errors: FloatArray
    noise: FloatArray
    bias: float
    units: int

    def smallest(self, level: float) -> Smallest:
        """The smallest true root, with an interval that allows for the choice of the closest rival.

        The smallest is below every rival's own upper end and above the least of the rivals' lower ends. Each lower end
        holds for its rival by itself, whichever is the closest; the upper ends have to hold together, because the one
        that counts was chosen: they use the distribution of the largest error among the contenders, as if all were
        equally close. The estimate lies halfway between what is unbiased if the closest rival is alone and what is if
        all contenders are as close: nobody knows which it is. If the best candidate was mistaken, the true root is
        smaller than the errors that the upper end allows for, and the lower end is below zero unless chance separated
        the two by what level allows.

        Andrews & Soares, Inference for parameters defined by moment inequalities using generalized moment selection,
        Econometrica 2010 (contenders); Chernozhukov, Lee & Rosen, Intersection bounds: estimation and inference,
        Econometrica 2013 (bounds and half-median-unbiased estimate of a minimum). Applied here, not quoted.
        """
        alone = two_sided_t(level, self.units)
        contenders = len(self.noise)
        ends = (
            self.roots[:contenders]
            + critical(self.noise, self.errors[:contenders], level, self.units) * (self.errors[:contenders])
        )
        luck = max(0.0, -float(np.median(self.noise.min(axis=0))))
        return Smallest(
            low=float((self.roots - alone * self.errors).min()),
            middle=float(self.roots[0]) + 0.5 * luck,
            high=float(ends.min()),
        )


def rivals_of(rows: FloatArray, counts: NDArray[np.uint8], *, method: str, units: Units) -> Rivals:
    """The rivals from the contenders' losses.

    Args:
        rows: losses of the contenders minus those of the best one, which is row 0: ``[K >= 2, N]``.
        counts: how often each unit occurs in each resample, ``[draws, units]``.
        method: ``gauss`` or ``chernoff``.
        units: what counts as one independent record.
    """
    size = rows.shape[1]
    roots, biases = np.zeros((2, len(rows) - 1))
    shares = np.zeros((len(rows) - 1, units.count))
    for k, x in enumerate(rows[1:]):
        pair = pair_root(x, method=method)
        roots[k], biases[k], shares[k] = pair.root, pair.bias, units.sums(pair.shares)
    for members in units.strata:
        shares[:, members] -= shares[:, members].mean(axis=1, keepdims=True)
    order = np.argsort(roots, kind="stable")
    inflation = units.count / (units.count - 1.0)
    errors = np.sqrt(np.einsum("ku,ku->k", shares, shares) * inflation) / size
    first = shares[order[0]]
    apart = np.sqrt(np.array([float(d @ d) for d in (row - first for row in shares)])) / size
    near = roots - roots[order[0]] <= math.sqrt(math.log(units.count)) * apart
    chosen = order[near[order]]
    noise = np.zeros((len(chosen), len(counts)))
    for begin in range(0, units.count, BLOCK):
        cut = slice(begin, begin + BLOCK)
        noise += shares[chosen, cut] @ counts[:, cut].T.astype(np.float64)
    noise *= math.sqrt(inflation) / size
    return Rivals(roots[order], errors[order], noise, float(biases[order[0]]) / units.count, units.count)


def critical(noise: FloatArray, errors: FloatArray, level: float, units: int) -> float:
    """How many standard errors hold for all of several roots at once, one end of an interval: ``noise [C, draws]``."""
    alone = two_sided_t(level, units)
    spread = errors > 0.0
    if not spread.any():
        return alone
    largest = (-noise[spread] / errors[spread, None]).max(axis=0)
    # The resamples are as good as normal; few records make the standard errors themselves uncertain.
    widened = alone / float(ndtri(0.5 * (1.0 + level)))
    return max(alone, widened * float(np.quantile(largest, 0.5 * (1.0 + level))))


def two_sided_t(level: float, units: int) -> float:
    """Student's quantile of a two-sided interval."""
    return float(stdtrit(units - 1.0, 0.5 * (1.0 + level)))
