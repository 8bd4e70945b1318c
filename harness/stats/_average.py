"""The mean of independent estimates, e.g. of the same attack on target models trained from several seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.errors import InputError
from harness.types import Estimate

__all__ = ["average"]


def average(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of independent estimates, with an interval recovered from theirs.

    The distance from a value to an end of its interval stands for that side's spread, so asymmetric intervals stay
    asymmetric (the method of variance estimates recovery: Zou & Donner, Construction of confidence limits about effect
    measures, Statistics in Medicine 2008). The interval holds for these models on other records of the same kind. It
    does not include the spread between seeds: report the single values as well.

    Args:
        estimates: at least one; all of one level. If one is not resolvable, neither is the mean.

    Raises:
        InputError: there are none, or their levels differ.
    """
    if not estimates:
        raise InputError("estimates: there are none to average", hint="give at least one estimate")
    if len({e.level for e in estimates}) > 1:
        raise InputError("estimates: their levels differ", hint="average intervals of one level")
    k, first = len(estimates), estimates[0]
    n = sum(e.n for e in estimates)
    if not all(e.resolvable for e in estimates):
        low, high = (sum(side) / k for side in zip(*((e.low, e.high) for e in estimates), strict=True))
        needed = max((e.needed_n for e in estimates if e.needed_n is not None), default=None)
        return Estimate(math.nan, low, high, n, "mean", first.level, resolvable=False, needed_n=needed)
    value = sum(e.value for e in estimates) / k
    below = math.sqrt(sum((e.value - e.low) ** 2 for e in estimates)) / k
    above = math.sqrt(sum((e.high - e.value) ** 2 for e in estimates)) / k
    return Estimate(value, value - below, value + above, n, f"mean of {k}, {first.method}", first.level)
