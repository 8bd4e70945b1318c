"""Kendall's tau over pairs whose true leakages differ, and how far it lies beyond that of a baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import kendalltau

from studies.mis_synthetic.agreement import Ranked, gap, kendall


def rows(orders: Sequence[Sequence[float]], *, width: float = 0.0, seeds: int = 100) -> list[Ranked]:
    """Per law the safety of quantizers whose true leakage is 0, 1, 2, ...; so many laws have seeds of their own."""
    return [
        Ranked(f"law-{law}", f"seed-{law % seeds}", 100, float(safety), leak - width, leak + width)
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
    assert (tau.n, tau.value) == (2, 1.0)  # neighbours overlap; only the first and the last are apart
    assert kendall(rows([[3, 1, 2], [3, 1, 2]], width=0.6)).value == 1.0
    assert not kendall(rows([[3, 2, 1], [3, 2, 1]], width=5.0)).resolvable


def test_a_quantizer_about_which_a_figure_says_nothing_ties_with_all() -> None:
    nothing = kendall(rows([[math.nan] * 3, [math.nan] * 3]))
    assert (nothing.value, nothing.n) == (0.0, 6)
    assert 0.0 < kendall(rows([[math.nan, 2, 1], [math.nan, 2, 1]])).value < 1.0


def test_sizes_are_compared_within_themselves() -> None:
    apart = [
        Ranked(law, law, n, safety, leak, leak)
        for law in "ab"
        for n, safety, leak in ((100, 1.0, 0.1), (200, 2.0, 0.05))
    ]
    assert not kendall(apart).resolvable


def test_laws_of_one_seed_are_resampled_together() -> None:
    rng = np.random.default_rng(1)
    order = [rng.permutation(5).tolist() for _ in range(6)]
    alone, together = kendall(rows(order * 4)), kendall(rows(order * 4, seeds=6))
    assert alone.value == together.value
    assert alone.high - alone.low < 0.8 * (together.high - together.low)


def test_the_gap_to_a_baseline_is_paired_by_law() -> None:
    rng = np.random.default_rng(2)
    # Laws differ a lot, and in each the figure orders one pair more than the baseline.
    figures, baselines = [], []
    for _ in range(20):
        order = rng.permutation(5).tolist()
        figures.append(order)
        baselines.append(order[:-2] + [max(order[-2:])] * 2 if order[-2] > order[-1] else order)
    beyond = gap(rows(figures), rows(baselines))
    assert beyond.value == pytest.approx(kendall(rows(figures)).value - kendall(rows(baselines)).value)
    tau = kendall(rows(figures))
    assert beyond.high - beyond.low < tau.high - tau.low
    assert gap(rows(figures), rows(figures)).high == 0.0
    better = gap(rows([[3, 2, 1]] * 5), rows([[1, 2, 3]] * 5))
    assert (better.value, better.low, better.high) == (2.0, 2.0, 2.0)


def test_one_law_is_not_enough() -> None:
    tau = kendall(rows([[3, 2, 1]]))
    assert not tau.resolvable
    assert math.isnan(tau.value)
    assert tau.needed_n == tau.n + 1
