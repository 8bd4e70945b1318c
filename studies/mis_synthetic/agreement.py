"""Does a figure order quantizers as their true leakage does? Kendall's tau over pairs, with an interval over laws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from harness.types import Estimate, FloatArray

__all__ = ["Ranked", "gap", "kendall"]

DRAWS = 4000
LEVEL = 0.95
# Figures closer than this tie, but for rounding.
TIE = 1e-9


@dataclass(frozen=True)
class Ranked:
    """One quantizer under one law and training-set size.

    Args:
        law: name of the law; quantizers are compared within a law and size only.
        cluster: laws that were drawn from the same seed, which resamples keep together.
        n: training-set size.
        safety: the figure that orders, larger says safer; NaN where it says nothing, which ties with everything.
        low: lower end of the true leakage.
        high: upper end; overlapping ones tie in the truth.
    """

    law: str
    cluster: str
    n: int
    safety: float
    low: float
    high: float


def kendall(rows: Sequence[Ranked], *, seed: int = 0) -> Estimate:
    """Kendall's tau-b between safety and the truth, over all pairs of quantizers of one law and size.

    Args:
        rows: all quantizers of all laws and sizes.
        seed: of the bootstrap over clusters of laws.

    Returns:
        tau with a percentile interval; ``n`` is the number of pairs whose true leakages differ. Not resolvable with
        fewer than two clusters that have such pairs.
    """
    return _estimate([_table(rows)], seed)


def gap(rows: Sequence[Ranked], baseline: Sequence[Ranked], *, level: float = LEVEL, seed: int = 0) -> Estimate:
    """Tau of a figure less that of a baseline on the same quantizers, from the same resamples of laws.

    Args:
        rows: of the figure.
        baseline: of the other, in the same order.
        level: of the interval; higher where several figures are compared with one baseline.
        seed: of the bootstrap.
    """
    return _estimate([_table(rows), _table(baseline)], seed, level)


def _estimate(tables: Sequence[FloatArray], seed: int, level: float = LEVEL) -> Estimate:
    """Tau of the first table, less that of the second where there is one."""
    # Clusters without a pair that differs in truth say nothing, by any figure.
    tables = [table[tables[0][:, 1] > 0] for table in tables]
    clusters, pairs = len(tables[0]), int(tables[0][:, 1].sum())
    name = "kendall-tau-b" if len(tables) == 1 else "difference of kendall-tau-b"
    if clusters < 2:
        widest = float(len(tables))
        return Estimate(math.nan, -widest, widest, pairs, name, level=level, resolvable=False, needed_n=pairs + 1)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, clusters, (DRAWS, clusters))
    signs = (1.0, -1.0)
    value = sum(sign * float(_tau(table.sum(axis=0))) for sign, table in zip(signs, tables, strict=False))
    spread = sum(sign * _tau(table[drawn].sum(axis=1)) for sign, table in zip(signs, tables, strict=False))
    low, high = np.quantile(spread, [0.5 - level / 2, 0.5 + level / 2])
    return Estimate(value, float(low), float(high), pairs, name, level=level)


def _table(rows: Sequence[Ranked]) -> FloatArray:
    """Concordant less discordant pairs, pairs that differ in truth, those of them that differ in the figure."""
    clusters = {name: k for k, name in enumerate(dict.fromkeys(row.cluster for row in rows))}
    table = np.zeros((len(clusters), 3))
    of: dict[tuple[str, int], list[Ranked]] = {}
    for row in rows:
        of.setdefault((row.law, row.n), []).append(row)
    for group in of.values():
        for a, b in combinations(group, 2):
            true = int(a.high < b.low) - int(b.high < a.low)
            # A pair whose truth is not resolved says nothing about the figure either.
            net = true * _sign(a, b)
            table[clusters[a.cluster]] += (net, abs(true), abs(net))
    return table


def _sign(a: Ranked, b: Ranked) -> int:
    if math.isnan(a.safety) or math.isnan(b.safety) or math.isclose(a.safety, b.safety, rel_tol=TIE):
        return 0
    return 1 if a.safety > b.safety else -1


def _tau(sums: FloatArray) -> FloatArray:
    scale = np.sqrt(sums[..., 1] * sums[..., 2])
    return np.asarray(np.divide(sums[..., 0], scale, out=np.zeros_like(scale), where=scale > 0), dtype=np.float64)
