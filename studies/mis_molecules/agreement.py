"""Agreement of orders, within one case and over tasks: Kendall's tau, and intervals whose unit is the task."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import t as student

from harness.types import Estimate, FloatArray

__all__ = ["over_tasks", "tau", "tau_estimate"]


def tau(key: FloatArray, tables: FloatArray) -> FloatArray:
    """Kendall's tau-b of a key with every row of a table: all rows at once, unlike scipy's.

    Equal values, and those that are NaN, are in no order with each other. An order that puts nothing apart agrees with
    none: 0.

    Args:
        key: ``[Q]``.
        tables: ``[draws, Q]``.

    Returns:
        ``[draws]``, -1 to 1.
    """
    first, second = np.triu_indices(len(key), k=1)
    mine = np.nan_to_num(np.sign(key[second] - key[first]))
    others = np.sign(tables[:, second] - tables[:, first])
    apart = np.abs(others).sum(axis=1) * np.abs(mine).sum()
    return np.asarray((others @ mine) / np.sqrt(np.maximum(apart, 1.0)))


def tau_estimate(value: float, drawn: FloatArray, *, n: int, level: float) -> Estimate:
    """A tau of n quantizers with the interval of its draws."""
    low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2])
    return Estimate(value, min(float(low), value), max(float(high), value), n, "kendall-tau-b", level=level)


def over_tasks(
    values: Sequence[float], *, level: float, within: tuple[float, float] = (-math.inf, math.inf)
) -> Estimate:
    """Mean over tasks with Student's interval: tasks are the units, and each value holds the noise of its attack.

    Args:
        values: one a task.
        level: of the interval.
        within: bounds of what the mean can be.
    """
    finite = np.array([value for value in values if math.isfinite(value)])
    n, method = len(finite), "student-t-over-tasks"
    if n < 2:
        return Estimate(math.nan, *within, n, method, level=level, resolvable=False, needed_n=2)
    mean = float(finite.mean())
    reach = float(student.ppf(0.5 + level / 2, n - 1)) * float(finite.std(ddof=1)) / math.sqrt(n)
    return Estimate(mean, max(mean - reach, within[0]), min(mean + reach, within[1]), n, method, level=level)
