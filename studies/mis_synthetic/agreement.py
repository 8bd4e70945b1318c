"""Does a figure order quantizers as their true leakage does? Kendall's tau over pairs, with an interval over laws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from harness.stats import Estimate
from harness.types import FloatArray

__all__ = ["Ranked", "kendall"]

DRAWS = 2000
LEVEL = 0.95
# Figures closer than this tie, but for rounding.
TIE = 1e-9


@dataclass(frozen=True)
class Ranked:
    """One quantizer under one law and training-set size.

    Args:
        law: name of the law; quantizers are compared within a law and size only.
        n: training-set size.
        regime: ``tail``, ``moderate`` or ``local``.
        safety: the figure that orders; larger says safer.
        low: lower end of the true leakage.
        high: upper end; overlapping ones tie in the truth.
    """

    law: str
    n: int
    regime: str
    safety: float
    low: float
    high: float


def kendall(rows: Sequence[Ranked], *, regime: str | None = None, seed: int = 0) -> Estimate:
    """Kendall's tau-b between safety and the truth, over all pairs of quantizers of one law and size.

    Args:
        rows: all quantizers of all laws and sizes.
        regime: only pairs of which both are in it.
        seed: of the bootstrap over laws.

    Returns:
        tau with a percentile interval; ``n`` is the number of pairs whose true leakages differ. Not resolvable with
        fewer than two laws that have such pairs.
    """
    laws = dict.fromkeys(row.law for row in rows)
    table = np.array([counts for law in laws if (counts := _of_law(rows, law, regime))[1] > 0], dtype=np.float64)
    if len(table) < 2:
        pairs = int(table.reshape(-1, 3)[:, 1].sum())
        return Estimate(math.nan, -1.0, 1.0, pairs, "kendall-tau-b", level=LEVEL, resolvable=False, needed_n=pairs + 1)
    rng = np.random.default_rng(seed)
    drawn = table[rng.integers(0, len(table), (DRAWS, len(table)))].sum(axis=1)
    low, high = np.quantile(_tau(drawn), [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    total = table.sum(axis=0)
    return Estimate(float(_tau(total)), float(low), float(high), int(total[1]), "kendall-tau-b", level=LEVEL)


def _of_law(rows: Sequence[Ranked], law: str, regime: str | None) -> tuple[int, int, int]:
    """Concordant less discordant pairs, pairs that differ in truth, pairs that differ in the figure."""
    net = in_truth = in_figure = 0
    of_law = [row for row in rows if row.law == law and regime in (None, row.regime)]
    for a, b in combinations(of_law, 2):
        if a.n != b.n:
            continue
        true = int(a.high < b.low) - int(b.high < a.low)
        tied = math.isclose(a.safety, b.safety, rel_tol=TIE)
        figure = 0 if tied else 1 if a.safety > b.safety else -1
        net, in_truth, in_figure = net + true * figure, in_truth + abs(true), in_figure + abs(figure)
    return net, in_truth, in_figure


def _tau(sums: FloatArray) -> FloatArray:
    scale = np.sqrt(sums[..., 1] * sums[..., 2])
    return np.asarray(np.divide(sums[..., 0], scale, out=np.zeros_like(scale), where=scale > 0), dtype=np.float64)
