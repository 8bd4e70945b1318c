"""A percentile of latencies with an interval that assumes no distribution."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, norm
from scipy.stats import t as student

from harness.stats import Estimate

__all__ = ["percentile"]

_PLAIN, _ROUNDS = "order statistics", "order statistics, rounds as clusters"


def percentile(
    samples: NDArray[np.int64], q: float, *, rounds: NDArray[np.int64] | None = None, level: float = 0.95
) -> Estimate:
    """A percentile with its distribution-free interval from order statistics.

    Runs of one round are not independent: they share the board's heat and its neighbours. So the share of samples up to
    the percentile is taken from each round, and where these shares differ by more than independent runs would have
    them, the interval is that of the smaller sample that varies as much (Woodruff's interval with Korn and Graubard's
    effective size, rounds being the clusters). It is never shorter than that of independent runs.

    Args:
        samples: `[n]`.
        q: in (0, 1).
        rounds: `[n]`, the round of each sample; None where all runs are independent.
        level: nominal coverage; where n is too small for it, the interval is open to the largest sample's side and
            marked as not resolvable.
    """
    ordered = np.sort(samples)
    n = len(ordered)
    tail = (1 - level) / 2
    value = float(np.quantile(ordered, q, method="inverted_cdf"))
    effective = n if rounds is None else _effective_size(samples, value, q, rounds, tail)
    low = math.floor(binom.ppf(tail, effective, q) * n / effective) - 1
    high = math.ceil(binom.ppf(1 - tail, effective, q) * n / effective)
    whole = low >= 0 and high < n
    return Estimate(
        value=value,
        low=float(ordered[max(low, 0)]),
        high=float(ordered[min(high, n - 1)]),
        n=n,
        method=_PLAIN if rounds is None else _ROUNDS,
        level=level,
        resolvable=whole,
        needed_n=None if whole else math.ceil(_needed(q, tail) * n / effective),
    )


def _effective_size(samples: NDArray[np.int64], value: float, q: float, rounds: NDArray[np.int64], tail: float) -> int:
    """How many independent runs would vary as much as these rounds do; all of them where rounds do not differ."""
    n = len(samples)
    _, member = np.unique(rounds, return_inverse=True)
    count = int(member.max()) + 1
    if count < 2:
        return n
    # A clock counts in steps: runs that equal the percentile stand half below it.
    below = (samples < value) + 0.5 * (samples == value)
    excess = np.bincount(member, below - below.mean())
    between = count / (count - 1) * float(np.sum(excess**2)) / n**2
    independent = q * (1 - q) / n
    if between <= independent:
        return n
    few_rounds = (norm.ppf(tail) / student.ppf(tail, count - 1)) ** 2
    return max(1, int(n * independent / between * few_rounds))


def _needed(q: float, tail: float) -> int:
    """Samples at which the order-statistic interval of the q-quantile lies inside the sample."""
    return math.ceil(math.log(tail) / math.log(max(q, 1 - q)))
