"""The law of the number of non-members at or above the population's threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrik, betainc

__all__ = ["CountLaw"]

FloatArray = NDArray[np.float64]

# Parameters of a beta law must be positive; at the ends of the range they are not, and are not used.
TINY = 1e-300


@dataclass(frozen=True)
class CountLaw:
    """The law of a count: Binomial(n, share), or ``effect`` times Binomial(n / effect, share).

    With a fractional number of trials the binomial's distribution function is the incomplete beta function between
    the whole numbers. Half a step is moved so that the mean stays ``n * share`` whatever the effect.

    Args:
        n: records.
        share: the probability of each, a fraction.
        effect: the design effect, at least 1.
    """

    n: int
    share: float
    effect: float = 1.0

    @property
    def deviation(self) -> float:
        """The standard deviation."""
        return math.sqrt(self.effect * self.n * self.share * (1.0 - self.share))

    def cdf(self, counts: FloatArray) -> FloatArray:
        """The probability of each of ``counts`` or fewer."""
        inside = (counts >= 0.0) & (counts < self.n)
        k = (counts + 0.5) / self.effect - 0.5
        up, down = np.maximum(k + 1.0, TINY), np.maximum(self.n / self.effect - k, TINY)
        return np.where(inside, betainc(down, up, 1.0 - self.share), np.where(counts < 0.0, 0.0, 1.0))

    def range(self, tail: float) -> tuple[int, int]:
        """The counts that are left only with probability ``tail`` on either side."""
        return self._quantile(tail), self._quantile(1.0 - tail)

    def _quantile(self, q: float) -> int:
        """The smallest count that is not exceeded with probability ``q``.

        `scipy.stats.binom.ppf` without its checks of arrays, which take half of the time of an interval.
        """
        k = float(bdtrik(q, self.n / self.effect, self.share))
        count = min(max(math.ceil(self.effect * (k + 0.5) - 0.5), 0), self.n)
        return count - 1 if count > 0 and self.cdf(np.array([count - 1.0]))[0] >= q else count
