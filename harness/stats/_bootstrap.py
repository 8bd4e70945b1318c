"""Bootstrap interval of any statistic of records, by strata and by clusters."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import InputError
from harness.stats._checks import as_level
from harness.types import Estimate

__all__ = ["bootstrap"]

IntArray = NDArray[np.int64]
Array = NDArray[np.generic]

# With fewer draws the ends of a 95% interval rest on fewer than 3 of them.
MIN_DRAWS = 100


def bootstrap(
    statistic: Callable[..., float],
    arrays: Sequence[ArrayLike],
    *,
    strata: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Percentile interval of ``statistic(*arrays)`` over records resampled with replacement.

    Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 and 8 (strata, clusters).

    Args:
        statistic: arrays with the same rows in the same order -> number.
        arrays: one or more arrays ``[n, ...]``, resampled together: a paired difference stays paired.
        strata: group of each record, ``[n]``; every draw keeps each group's size (give the membership here).
        clusters: records that belong together (one target model's, one author's), ``[n]``: whole clusters are
            drawn, within each stratum. A cluster lies in one stratum.
        draws: number of draws, at least 100.
        level: nominal coverage of the interval.
        seed: the same seed gives the same interval.

    Raises:
        InputError: lengths differ, a cluster spans strata, too few draws, or the statistic is not finite.
    """
    data = [np.asarray(a) for a in arrays]
    if not data or data[0].ndim == 0 or len(data[0]) == 0:
        raise InputError("arrays: there are no records")
    n = len(data[0])
    for i, values in enumerate(data):
        if values.ndim == 0 or len(values) != n:
            raise InputError(f"arrays: entry {i} has shape {values.shape} for {n} records")
    level = as_level(level)
    if draws < MIN_DRAWS:
        raise InputError(f"draws: {draws}; an interval needs at least {MIN_DRAWS}")
    blocks = _blocks(n, _codes(strata, n, "strata"), _codes(clusters, n, "clusters"))
    value = _finite(statistic(*data), "the records")
    rng = np.random.default_rng(seed)
    resampled = np.empty(draws)
    for i in range(draws):
        rows = _draw(blocks, rng)
        resampled[i] = _finite(statistic(*(values[rows] for values in data)), f"draw {i}")
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(resampled, [tail, 1.0 - tail])
    return Estimate(value, float(low), float(high), n, "bootstrap-percentile", level)


def _codes(groups: ArrayLike | None, n: int, name: str) -> IntArray | None:
    """Number the groups 0, 1, ...; None stays None."""
    if groups is None:
        return None
    values = np.asarray(groups)
    if values.shape != (n,):
        raise InputError(f"{name}: shape {values.shape} for {n} records")
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _blocks(n: int, strata: IntArray | None, clusters: IntArray | None) -> list[IntArray | list[IntArray]]:
    """One entry a stratum: its rows, or its clusters' rows."""
    groups = [np.arange(n)] if strata is None else [np.flatnonzero(strata == k) for k in range(strata.max() + 1)]
    if clusters is None:
        return list(groups)
    owner = np.full(int(clusters.max()) + 1, -1)
    blocks: list[IntArray | list[IntArray]] = []
    for k, rows in enumerate(groups):
        order = rows[np.argsort(clusters[rows], kind="stable")]
        names, starts = np.unique(clusters[order], return_index=True)
        if (owner[names] >= 0).any():
            raise InputError("clusters: a cluster lies in several strata", hint="put each cluster into one stratum")
        owner[names] = k
        blocks.append(np.split(order, starts[1:]))
    return blocks


def _draw(blocks: list[IntArray | list[IntArray]], rng: np.random.Generator) -> IntArray:
    """Rows of one draw: as many records (or clusters) of each stratum as it has."""
    parts: list[IntArray] = []
    for block in blocks:
        chosen = rng.integers(len(block), size=len(block))
        if isinstance(block, list):
            parts.extend(block[i] for i in chosen)
        else:
            parts.append(block[chosen])
    return np.concatenate(parts)


def _finite(value: float, where: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise InputError(
            f"statistic: {number} on {where}",
            hint="the statistic must be finite on every draw; give strata where groups are empty",
        )
    return number
