"""How many times as long one file takes as another, from rounds in which both had their turn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from harness.stats import Estimate

__all__ = ["ratio"]


def ratio(
    numerator: Sequence[NDArray[np.int64]], denominator: Sequence[NDArray[np.int64]], *, level: float = 0.95
) -> Estimate | None:
    """The ratio of medians, paired by round: what slows a whole round slows both, and drops out.

    The value is the geometric mean of the rounds' ratios; the interval is Student's on their logarithms, so it has as
    many observations as there are rounds, however many runs these hold.

    Args:
        numerator: one array of samples a round, nanoseconds.
        denominator: the other file's samples in the same rounds.
        level: nominal coverage.

    Returns:
        None for fewer than two rounds, and where a median is no time at all.
    """
    pairs = [(np.median(one), np.median(other)) for one, other in zip(numerator, denominator, strict=True)]
    count = len(pairs)
    if count < 2 or min(min(pair) for pair in pairs) <= 0:
        return None
    logs = np.log([one / other for one, other in pairs])
    half = float(student.ppf((1 + level) / 2, count - 1) * logs.std(ddof=1) / np.sqrt(count))
    middle = float(logs.mean())
    low, value, high = (float(np.exp(end)) for end in (middle - half, middle, middle + half))
    return Estimate(value, low, high, count, "ratio of medians, paired by round, Student's t on logarithms", level)
