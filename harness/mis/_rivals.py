"""All rivals at once: their roots, what resamples add to them together, and an interval of the smallest."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from harness.mis._statistic import pair_root
from harness.mis._units import Resamples, Units
from harness.types import FloatArray

__all__ = ["Rivals", "Smallest", "critical", "rivals_of", "two_sided_t"]

# Batches of records a block in the products with the resamples, so that a block stays in the cache.
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
            + critical(self.noise, self.errors[:contenders], level, self.units) * self.errors[:contenders]
        )
        luck = max(0.0, -float(np.median(self.noise.min(axis=0))))
        return Smallest(
            low=float((self.roots - alone * self.errors).min()),
            middle=float(self.roots[0]) + 0.5 * luck,
            high=float(ends.min()),
        )


def rivals_of(rows: FloatArray, drawn: Resamples, *, method: str, units: Units) -> Rivals:
    """The rivals from the contenders' losses.

    Args:
        rows: losses of the contenders minus those of the best one, which is row 0: ``[K >= 2, N]``.
        drawn: the resamples that all quantizers share.
        method: ``gauss`` or ``chernoff``.
        units: what counts as one independent record.
    """
    size = rows.shape[1]
    roots, errors, biases = np.zeros((3, len(rows) - 1))
    shares = np.zeros((len(rows) - 1, len(drawn.counts)))
    for k, x in enumerate(rows[1:]):
        pair = pair_root(x, method=method)
        share = units.centred(units.sums(pair.shares)) / size
        roots[k], biases[k], shares[k] = pair.root, pair.bias / units.count, drawn.sums(share)
        errors[k] = math.sqrt(float(np.einsum("i,i->", share, share)) * units.count / (units.count - 1.0))
    order = np.argsort(roots, kind="stable")
    apart = np.array([math.sqrt(float(d @ d)) for d in (share - shares[order[0]] for share in shares)])
    near = roots - roots[order[0]] <= math.sqrt(math.log(units.count)) * apart
    chosen = order[near[order]]
    noise = np.zeros((len(chosen), drawn.counts.shape[1]))
    for begin in range(0, len(drawn.counts), BLOCK):
        cut = slice(begin, begin + BLOCK)
        noise += shares[chosen, cut] @ drawn.counts[cut].astype(np.float64)
    noise *= math.sqrt(drawn.inflation)
    return Rivals(roots[order], errors[order], noise, float(biases[order[0]]), units.count)


def critical(noise: FloatArray, errors: FloatArray, level: float, units: int) -> float:
    """How many standard errors hold for all of several roots at once, one end of an interval: ``noise [C, draws]``."""
    alone = two_sided_t(level, units)
    spread = errors > 0.0
    if not spread.any():
        return alone
    largest = (-noise[spread] / errors[spread, None]).max(axis=0)
    # The draw beyond which another one would lie by this chance, whatever the law: no interpolation between draws.
    rank = min(len(largest), math.ceil(0.5 * (1.0 + level) * (len(largest) + 1)))
    # The resamples are as good as normal; few records make the standard errors themselves uncertain.
    widened = alone / float(ndtri(0.5 * (1.0 + level)))
    return max(alone, widened * float(np.partition(largest, rank - 1)[rank - 1]))


def two_sided_t(level: float, units: int) -> float:
    """Student's quantile of a two-sided interval."""
    return float(stdtrit(units - 1.0, 0.5 * (1.0 + level)))
