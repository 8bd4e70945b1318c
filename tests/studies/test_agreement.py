"""Kendall's tau over pairs whose true leakages differ."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import kendalltau

from studies.mis_synthetic.agreement import Ranked, kendall


def rows(orders: Sequence[Sequence[float]], *, regime: str = "local", width: float = 0.0) -> list[Ranked]:
    """Per law the safety of quantizers whose true leakage is 0, 1, 2, ..."""
    return [
        Ranked(f"law-{law}", 100, regime, float(safety), leak - width, leak + width)
        for law, order in enumerate(orders)
        for leak, safety in enumerate(order)
    ]


def test_tau_is_one_in_agreement_minus_one_in_disagreement_and_holds_zero_for_guesses() -> None:
    assert kendall(rows([[3, 2, 1], [3, 2, 1]])).value == 1.0
    assert kendall(rows([[1, 2, 3], [1, 2, 3]])).value == -1.0
    rng = np.random.default_rng(0)
    taus = [kendall(rows([rng.permutation(6).tolist() for _ in range(30)])) for _ in range(100)]
    assert 88 <= sum(tau.holds(0.0) for tau in taus) <= 100
    assert {tau.n for tau in taus} == {30 * 15}


def test_ties_count_as_in_tau_b() -> None:
    order = [5.0, 3.0, 3.0, 3.0 * (1 + 1e-12), 1.0, 2.0]
    expected = kendalltau([round(-v, 6) for v in order], range(6), variant="b").statistic
    assert kendall(rows([order, order])).value == pytest.approx(expected, abs=1e-12)


def test_pairs_with_overlapping_true_leakages_are_left_out() -> None:
    tau = kendall(rows([[3, 2, 1], [3, 2, 1]], width=0.6))
    assert tau.n == 2  # neighbours overlap; only the first and the last are apart
    assert not kendall(rows([[3, 2, 1], [3, 2, 1]], width=5.0)).resolvable


def test_quantizers_that_were_not_probed_count_as_the_safest() -> None:
    assert kendall(rows([[math.inf, math.inf, 1], [math.inf, 2, 1]])).value > 0.8


def test_regimes_and_sizes_are_compared_within_themselves() -> None:
    mixed = rows([[3, 2, 1], [3, 2, 1]], regime="tail") + rows([[1, 2, 3], [1, 2, 3]], regime="local")
    assert kendall(mixed, regime="tail").value == 1.0
    assert kendall(mixed, regime="local").value == -1.0
    apart = [
        Ranked(law, n, "tail", safety, leak, leak)
        for law in "ab"
        for n, safety, leak in ((100, 1.0, 0.1), (200, 2.0, 0.05))
    ]
    assert not kendall(apart).resolvable


def test_one_law_is_not_enough() -> None:
    tau = kendall(rows([[3, 2, 1]]))
    assert not tau.resolvable
    assert math.isnan(tau.value)
    assert tau.needed_n == tau.n + 1
