"""Intervals of one proportion, and the normal quantile that every other interval uses."""

from __future__ import annotations

import math

from scipy.special import betaincinv, ndtri

from harness.stats._checks import as_level, check_counts

__all__ = ["clopper_pearson", "two_sided_z", "wilson"]


def two_sided_z(level: float) -> float:
    """The normal quantile of a two-sided interval, e.g. 1.96 for a level of 0.95."""
    # From the tail: levels a hair below 1 (simultaneous intervals) would round to 1 on the other side.
    return float(-ndtri((1.0 - as_level(level)) / 2.0))


def clopper_pearson(successes: float, trials: float, *, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a proportion: its coverage is never below its level.

    Clopper & Pearson, The use of confidence or fiducial limits, Biometrika 1934. Counts that were divided by a design
    effect may be fractions (Korn & Graubard, Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data, Survey Methodology 1998).

    Returns:
        Lower and upper end, fractions. Without trials: 0 and 1.

    Raises:
        InputError: impossible counts or level.
    """
    check_counts(successes, trials)
    tail = (1.0 - as_level(level)) / 2.0
    low = 0.0 if successes == 0 else float(betaincinv(successes, trials - successes + 1, tail))
    high = 1.0 if successes == trials else float(betaincinv(successes + 1, trials - successes, 1.0 - tail))
    return low, high


def wilson(successes: float, trials: float, *, level: float = 0.95) -> tuple[float, float]:
    """The score interval of a proportion: coverage near its level on average, valid at 0 and at 1.

    Wilson, Probable inference, JASA 1927. Counts that were divided by a design effect may be fractions.

    Returns:
        Lower and upper end, fractions. Without trials: 0 and 1.

    Raises:
        InputError: impossible counts or level.
    """
    check_counts(successes, trials)
    if trials == 0:
        return 0.0, 1.0
    z2 = two_sided_z(level) ** 2
    share = successes / trials
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = math.sqrt(z2 * (share * (1 - share) + z2 / (4 * trials)) / trials) / (1 + z2 / trials)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return low, high
