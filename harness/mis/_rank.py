"""Quantizers ordered by safety, by the figure that can order them at this training-set size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.mis._estimate import estimate
from harness.results import QuantizerMis
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
        log_delta: predicted ``log Delta_n``, of the regime's own approximation.
        mis_predicted: ``1 - Delta_n``.
        k_eff: distinct candidates.
        utility: the caller's measure of usefulness, e.g. accuracy; None where not given.
        status: see :class:`QuantizerMis`.
        regime: see :class:`QuantizerMis`.
    """

    name: str
    r: Estimate
    n_r: float
    log_delta: float
    mis_predicted: float
    k_eff: int
    utility: float | None
    status: str
    regime: str


def ranked(results: Sequence[QuantizerMis], *, utility: Mapping[str, float] | None = None) -> tuple[RankRow, ...]:
    """Rank safest first: by ``r`` where it orders, then (``local`` regime) by predicted leakage; unprobed ones last.

    A single candidate has ``r = inf`` because it has no rival, not because it is safe; it is therefore ranked last.
    """
    rows = [
        RankRow(
            name=q.quantizer,
            r=q.r,
            n_r=q.n_r,
            log_delta=q.best_log_delta,
            mis_predicted=q.mis_predicted,
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
    if row.status == "single_candidate":
        return 2, 0.0, 0.0
    if row.regime == "local":
        return 1, row.log_delta, -row.r.value
    return 0, -row.r.value, row.log_delta
