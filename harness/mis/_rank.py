"""Quantizers ordered by their predicted leakage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.mis._estimate import estimate
from harness.results import Leakage, QuantizerMis
from harness.stats import Estimate
from harness.types import Array

__all__ = ["RankRow", "rank", "ranked"]


@dataclass(frozen=True)
class RankRow:
    """One row of the ranking.

    Args:
        name: the quantizer.
        r: the indicator with its interval.
        n_r: ``n * r``.
        leakage: predicted ``Delta_n``.
        k_eff: distinct candidates.
        utility: the caller's measure of usefulness, e.g. accuracy; None where not given.
        status: see :class:`QuantizerMis`.
        regime: see :class:`QuantizerMis`.
    """

    name: str
    r: Estimate
    n_r: float
    leakage: Leakage
    k_eff: int
    utility: float | None
    status: str
    regime: str


def ranked(results: Sequence[QuantizerMis], *, utility: Mapping[str, float] | None = None) -> tuple[RankRow, ...]:
    """Order by predicted leakage, the smallest first, then by ``r``; unprobed ones last.

    A single candidate has ``r = inf`` because it has no rival, not because it is safe; it is therefore ranked last.
    """
    rows = [
        RankRow(
            name=q.quantizer,
            r=q.r,
            n_r=q.n_r,
            leakage=q.leakage,
            k_eff=q.k_eff,
            utility=(utility or {}).get(q.quantizer),
            status=q.status,
            regime=q.regime,
        )
        for q in results
    ]
    return tuple(sorted(rows, key=_key))


def rank(
    losses: Mapping[str, Array], *, n: int, utility: Mapping[str, float] | None = None, **options: Any
) -> tuple[RankRow, ...]:
    """Estimate and order; ``options`` are those of :func:`harness.mis.estimate`."""
    return ranked(estimate(losses, n=n, **options), utility=utility)


def _key(row: RankRow) -> tuple[int, float, float]:
    return (0, row.leakage.logs[0], -row.r.value) if row.leakage.is_probed else (1, 0.0, 0.0)
