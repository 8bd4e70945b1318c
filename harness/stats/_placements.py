"""The law of a mean of placement values at every value the mean may truly have: what intervals of the AUC rest on.

A member's placement value is the share of non-members below it, a non-member's the share of members above it; either
side's mean is the AUC. Few records, ties and an AUC near 1 have the same trouble: a side that happens to show no
variance has one all the same, and it depends on where the mean truly lies. So the variance is taken at each candidate,
as Wilson (Probable inference, JASA 1927) does for a proportion and Newcombe (Confidence intervals for an effect size
measure based on the Mann-Whitney statistic, Statistics in Medicine 2006, method 5) for the AUC.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtri, stdtr

from harness.stats._intervals import two_sided_z

__all__ = ["PlacementLaw", "Pooled", "Side", "tied_share"]

FloatArray = NDArray[np.float64]

# Records that the pooled law counts for, against a side's own variance: the smallest number with which rare events
# (one tie in a hundred, AUC .99 with 50 members) are covered; larger ones hold on to the pooled law where it is wrong.
PRIOR = 2.0
# A candidate that would leave a side without any variance leaves it that of a quarter of a record off the end.
EDGE = 0.25
# Below this, a share or a variance is zero up to rounding.
TINY = 1e-12
# A smaller tail would become zero, and its quantile infinite.
SMALLEST_TAIL = 1e-300


@dataclass(frozen=True)
class Pooled:
    """Placement values of all records among all records: their law where membership plays no role.

    Args:
        centre: their mean: 0.5, or 0 for differences of two scores' placement values.
        low: their lowest value.
        high: their highest value.
        variance: their variance, above zero.
        kurtosis: fourth central moment by the squared variance; 1.8 without ties.
    """

    centre: float
    low: float
    high: float
    variance: float
    kurtosis: float

    @classmethod
    def of_ties(cls, sizes: FloatArray) -> Self:
        """The law of scores of which ``sizes`` tie, in ascending order of scores, ``[groups]``, two at least."""
        n = float(sizes.sum())
        rank = (np.cumsum(sizes) - 0.5 * sizes) / n - 0.5
        squares = rank * rank
        variance = float((sizes * squares).sum()) / n
        kurtosis = float((sizes * squares * squares).sum()) / n / variance**2
        return cls(0.5, float(tied_share(sizes[0], n)), 1.0 - float(tied_share(sizes[-1], n)), variance, kurtosis)

    @classmethod
    def of_differences(cls, values: FloatArray) -> Self:
        """The law of differences of two scores' placement values, which are not all zero, ``[n]``."""
        squares = values * values
        variance = float(squares.mean())
        kurtosis = float((squares * squares).mean()) / variance**2
        return cls(0.0, float(values.min()), float(values.max()), variance, kurtosis)

    @cached_property
    def shape(self) -> tuple[float, float, float]:
        """Where the mean lies between the two ends, the variance by the largest possible, and the power of its fall."""
        whole = self.high - self.low
        middle = (self.centre - self.low) * (self.high - self.centre) / whole**2
        share = min(1.0, self.variance / whole**2 / middle)
        return middle, share, 2.0 / (1.0 + math.sin(0.5 * math.pi * share)) - 1.0

    @property
    def mirrored(self) -> Self:
        """The same records placed from above, as non-members are."""
        return replace(self, low=2.0 * self.centre - self.high, high=2.0 * self.centre - self.low)


@dataclass(frozen=True)
class Side:
    """Members, or non-members: what their placement values show, one audit or many (``[rows]``) at once.

    Args:
        size: number of records.
        variance: sample variance of the placement values.
        low: lowest placement value there could be among the records of the other side.
        high: highest one.
        pooled: the law without leakage, seen from this side.
    """

    size: int
    variance: FloatArray
    low: FloatArray
    high: FloatArray
    pooled: Pooled

    def law(
        self, mean: FloatArray | float, moved: FloatArray | float, edge: float
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The law of placement values of this mean: its spread, the variance's share of the largest, and the largest.

        Values in ``[low, high]`` with mean ``low + x * (high - low)`` and spread ``x * (1 - x)`` have a variance of at
        most ``spread * (high - low) ** 2``, reached by values at the two ends. The share of it is the pooled law's at
        the centre. Towards the ends it falls as a power of the spread: the power of two normal laws' placement values
        (binormal scores), and 0 where all values lie at the ends (scores of two values).

        Args:
            mean: where the mean lies.
            moved: 0 where the other side is as it is seen, 1 where it is as the pooled records are.
            edge: smallest share of records at either end.
        """
        low = self.low + moved * (self.pooled.low - self.low)
        width = np.maximum(self.high + moved * (self.pooled.high - self.high) - low, TINY)
        x = np.minimum(np.maximum((mean - low) / width, edge), 1.0 - edge)
        spread = np.maximum(x * (1.0 - x), TINY)
        middle, share, power = self.pooled.shape
        return spread, np.minimum(share * (spread / middle) ** power, 1.0), spread * width * width

    def freedom(self, spread: FloatArray, share: FloatArray | float) -> FloatArray:
        """Degrees of freedom of the sample variance: few where placement values have rare extremes.

        The kurtosis is that of a beta law with this variance, and at least the pooled records'.
        """
        beta = 3.0 + 6.0 * share * (1.0 / spread - 5.0 - share) / ((1.0 + share) * (1.0 + 2.0 * share))
        excess = np.maximum(beta, self.pooled.kurtosis) - 1.0 + 2.0 / (self.size - 1.0)
        freedom: FloatArray = 2.0 * self.size / excess
        return freedom


@dataclass(frozen=True)
class PlacementLaw:
    """The law of the mean of both sides' placement values, for one audit or many (``[rows]``) at once.

    Args:
        value: the means, ``[rows]``.
        sides: members and non-members, two records each at least.
        design_effect: factor of the variance (Kish, Survey Sampling, 1965).
    """

    value: FloatArray | float
    sides: tuple[Side, Side]
    design_effect: FloatArray | float = 1.0

    def z(self, candidate: float) -> FloatArray:
        """How far the means lie above a candidate, as a normal quantile, ``[rows]``.

        The variance is the model's at the candidate times the ratio of the sample's to the model's at the mean, which
        counts by its degrees of freedom; Student's law with Satterthwaite's degrees of freedom (Biometrics Bulletin
        1946) allows for their number. It is not taken for larger than that of values at the two ends. Never beyond 37,
        where the tail is too small for a number.
        """
        shift, moved = self.value - candidate, self._moved(candidate)
        fitted: list[tuple[FloatArray, FloatArray]] = []
        widest: list[tuple[FloatArray, FloatArray]] = []
        for side, (ratio, freedom) in zip(self.sides, self._fits, strict=True):
            spread, share, most = side.law(candidate, moved, EDGE / side.size)
            fitted.append((ratio * share * most / side.size, freedom))
            widest.append((most / side.size, side.freedom(spread, 1.0)))
        tail = np.minimum(*(_tail(np.abs(shift), parts, self.design_effect) for parts in (fitted, widest)))
        z: FloatArray = np.sign(shift) * -ndtri(np.maximum(tail, SMALLEST_TAIL))
        return z

    def interval(self, level: float, lowest: float, highest: float) -> tuple[float, float]:
        """The candidates within ``[lowest, highest]`` that the mean does not lie too far from; of one audit."""
        limit, value = two_sided_z(level), float(self.value)

        def excess(candidate: float) -> float:
            return abs(float(self.z(candidate))) - limit

        low, high = (
            end if excess(end) <= 0.0 else float(brentq(excess, end, value, xtol=TINY)) for end in (lowest, highest)
        )
        return low, high

    @cached_property
    def _fits(self) -> list[tuple[FloatArray, FloatArray]]:
        """Each side's variance by the model's at the mean, and its degrees of freedom."""
        fits = []
        for side in self.sides:
            spread, share, most = side.law(self.value, 0.0, 0.0)
            freedom = side.freedom(spread, share)
            fits.append(((PRIOR + freedom * side.variance / (share * most)) / (PRIOR + freedom), freedom))
        return fits

    def _moved(self, candidate: float) -> FloatArray:
        """How far the candidate lies on the way from the mean to the centre, where both sides are as the pooled."""
        gap = self.sides[0].pooled.centre - self.value
        way = gap * (candidate - self.value) / np.maximum(gap * gap, TINY * TINY)
        moved: FloatArray = np.minimum(np.maximum(way, 0.0), 1.0)
        return moved


def _tail(
    distance: FloatArray, parts: list[tuple[FloatArray, FloatArray]], design_effect: FloatArray | float
) -> FloatArray:
    """Probability that a sum of independent means, each with variance and degrees of freedom, lies that far above."""
    (a, of_a), (b, of_b) = parts
    variance = a + b
    freedom = variance * variance / (a * a / (of_a + PRIOR) + b * b / (of_b + PRIOR))
    tail: FloatArray = stdtr(freedom, -distance / np.sqrt(variance * design_effect))
    return tail


def tied_share(records: FloatArray, n: float) -> FloatArray:
    """Half the share of ``n`` records that tie with one of them: where a record that ties with them is placed."""
    share: FloatArray = 0.5 * np.maximum(records - 1.0, 0.0) / (n - 1.0)
    return share
