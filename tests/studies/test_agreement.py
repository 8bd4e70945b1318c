"""Kendall's tau over pairs that the truth tells apart."""

import math

import numpy as np
import pytest
from scipy.stats import kendalltau

from studies.mis._agreement import Ranked, kendall


def rows(orders, *, regime="local", width=0.0):
    """Per law the safety of quantizers whose true leakage is 0, 1, 2, ..."""
    return [
        Ranked(f"law-{law}", 100, regime, float(safety), leak - width, leak + width)
        for law, order in enumerate(orders)
        for leak, safety in enumerate(order)
    ]


def test_agreement_disagreement_and_guessing():
    assert kendall(rows([[3, 2, 1], [3, 2, 1]])).value == 1.0
    assert kendall(rows([[1, 2, 3], [1, 2, 3]])).value == -1.0
    rng = np.random.default_rng(0)
    found = [kendall(rows([rng.permutation(6) for _ in range(30)])) for _ in range(100)]
    assert 88 <= sum(f.holds(0.0) for f in found) <= 100
    assert {f.n for f in found} == {30 * 15}


def test_ties_count_as_in_tau_b():
    order = [5.0, 3.0, 3.0, 3.0 * (1 + 1e-12), 1.0, 2.0]
    expected = kendalltau([round(-v, 6) for v in order], range(6), variant="b").statistic
    assert kendall(rows([order, order])).value == pytest.approx(expected, abs=1e-12)


def test_pairs_that_the_truth_does_not_tell_apart_are_left_out():
    found = kendall(rows([[3, 2, 1], [3, 2, 1]], width=0.6))
    assert found.n == 2  # neighbours overlap; only the first and the last are apart
    assert not kendall(rows([[3, 2, 1], [3, 2, 1]], width=5.0)).resolvable


def test_unprobed_quantizers_are_the_safest_said():
    assert kendall(rows([[math.inf, math.inf, 1], [math.inf, 2, 1]])).value > 0.8


def test_regimes_and_sizes_are_kept_apart():
    mixed = rows([[3, 2, 1], [3, 2, 1]], regime="tail") + rows([[1, 2, 3], [1, 2, 3]], regime="local")
    assert kendall(mixed, regime="tail").value == 1.0
    assert kendall(mixed, regime="local").value == -1.0
    apart = [
        Ranked(law, n, "tail", safety, leak, leak)
        for law in "ab"
        for n, safety, leak in ((100, 1.0, 0.1), (200, 2.0, 0.05))
    ]
    assert not kendall(apart).resolvable


def test_one_law_is_not_enough():
    found = kendall(rows([[3, 2, 1]]))
    assert not found.resolvable
    assert math.isnan(found.value)
    assert found.needed_n == found.n + 1
