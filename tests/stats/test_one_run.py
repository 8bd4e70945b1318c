"""One training run with canaries: p-values against brute force and linear programs, and mechanisms of known epsilon."""

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.stats import binom

from harness.errors import InputError
from harness.stats import one_run_epsilon
from harness.stats._one_run import one_run_p_value
from harness.types import FloatArray, IntArray

AUDITS = 400


def randomised_response(n: int, epsilon: float, delta: float, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
    """The mechanism that attains (epsilon, delta): a share delta of the answers is the truth, and says so."""
    membership = rng.integers(0, 2, n)
    truth = rng.random(n) < 1 / (1 + math.exp(-epsilon))
    sure = rng.random(n) < delta
    answer = np.where(truth | sure, membership, 1 - membership)
    return (2 * answer - 1) * np.where(sure, rng.uniform(1.0, 2.0, n), rng.uniform(0.5, 1.0, n)), membership


@pytest.mark.parametrize(("right", "guesses"), [(0, 1), (3, 5), (5, 5), (8, 10)])
@pytest.mark.parametrize("epsilon", [0.0, 0.7, 2.0])
def test_without_delta_the_p_value_is_that_of_all_outcomes(right: int, guesses: int, epsilon: float) -> None:
    chance = math.exp(epsilon) / (1 + math.exp(epsilon))
    outcomes = itertools.product([0, 1], repeat=guesses)
    expected = sum(chance ** sum(o) * (1 - chance) ** (guesses - sum(o)) for o in outcomes if sum(o) >= right)
    assert one_run_p_value(right, guesses, epsilon, records=20) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("right", "guesses"), [(4, 6), (9, 10), (15, 20), (20, 20)])
@pytest.mark.parametrize("delta", [1e-5, 1e-3])
def test_with_delta_the_p_value_is_the_worst_law_of_the_leaking_records(right: int, guesses: int, delta: float) -> None:
    # i records leak with probability p_i, 2 n delta of them on average, each worth one right guess: a linear program.
    records, epsilon = 30, 0.8
    law = binom(guesses, 1 / (1 + math.exp(-epsilon)))
    leaking = np.arange(records + 1)
    reached = law.sf(right - leaking - 1)
    worst = linprog(
        -reached,
        A_ub=[leaking],
        b_ub=[2 * records * delta],
        A_eq=[np.ones(records + 1)],
        b_eq=[1.0],
        bounds=(0, 1),
        method="highs",
    )
    assert worst.fun is not None
    p = one_run_p_value(right, guesses, epsilon, records=records, delta=delta)
    assert p == pytest.approx(-worst.fun, rel=1e-6)
    assert p > one_run_p_value(right, guesses, epsilon, records=records)


def test_a_known_count_gives_its_closed_form_bound() -> None:
    # 100 of 100 fixed guesses are right: P(right) >= 0.05^(1/100).
    membership = np.repeat([1, 0], 100)
    scores = membership * np.linspace(1.0, 2.0, 200)
    right = 0.05 ** (1 / 100)
    bound = one_run_epsilon(scores, membership, guesses=(100, 0)).value
    assert bound == pytest.approx(math.log(right / (1 - right)))


def test_the_bound_is_where_the_p_value_crosses_alpha() -> None:
    membership = np.repeat([1, 0], 200)
    scores = np.where(np.arange(400) % 10 < 9, membership, 1 - membership) + np.linspace(0.0, 0.1, 400)
    bound = one_run_epsilon(scores, membership, guesses=(200, 200), delta=1e-4).value
    assert one_run_p_value(360, 400, bound, records=400, delta=1e-4) == pytest.approx(0.05, rel=1e-4)
    assert 0.0 < bound < one_run_epsilon(scores, membership, guesses=(200, 200)).value


@pytest.mark.parametrize(("epsilon", "delta"), [(0.0, 0.0), (1.0, 0.0), (3.0, 0.0), (1.0, 1e-4)])
@pytest.mark.parametrize("guesses", [None, (100, 100)], ids=["searched", "fixed"])
def test_the_bound_of_randomised_response_exceeds_its_epsilon_in_at_most_five_percent(
    epsilon: float, delta: float, guesses: tuple[int, int] | None
) -> None:
    rng = np.random.default_rng(0)
    bounds = np.array(
        [
            one_run_epsilon(*randomised_response(500, epsilon, delta, rng), guesses=guesses, delta=delta).value
            for _ in range(AUDITS)
        ]
    )
    above = float(np.mean(bounds > epsilon))
    print(f"\nepsilon {epsilon}, delta {delta}, {guesses}: above in {above:.1%}, median {np.median(bounds):.2f}")
    assert above <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / AUDITS)
    if epsilon:
        assert np.median(bounds) > 0.5 * epsilon


def test_a_training_that_treats_all_records_alike_stays_within_the_bound() -> None:
    # One toss decides whether all answers are noise or have the odds of epsilon 1: the records' scores are dependent.
    rng = np.random.default_rng(1)
    above = 0
    for _ in range(AUDITS):
        scores, membership = randomised_response(200, 1.0, 0.0, rng)
        if rng.random() < 0.5:
            scores = rng.normal(size=200)
        above += one_run_epsilon(scores, membership).value > 1.0
    assert above <= 0.05 * AUDITS


@pytest.mark.slow
@pytest.mark.parametrize("n", [40, 1000])
def test_no_leak_gives_a_positive_bound_in_at_most_five_percent(n: int) -> None:
    rng = np.random.default_rng(n)
    positive = np.mean([one_run_epsilon(rng.normal(size=n), rng.integers(0, 2, n)).value > 0 for _ in range(3000)])
    print(f"\none-run bound above zero without leakage, n = {n}: {positive:.1%}")
    assert positive <= 0.05


def test_delta_and_level_lower_the_bound() -> None:
    scores, membership = randomised_response(1000, 2.0, 0.0, np.random.default_rng(2))
    plain = one_run_epsilon(scores, membership).value
    assert one_run_epsilon(scores, membership, delta=1e-3).value < one_run_epsilon(scores, membership, delta=1e-6).value
    assert one_run_epsilon(scores, membership, delta=1e-6).value <= plain
    assert one_run_epsilon(scores, membership, level=0.999).value < plain


def test_few_records_and_ties_give_a_bound_of_zero_or_more() -> None:
    rng = np.random.default_rng(3)
    for n in (2, 10, 20, 40):
        membership = np.arange(n) % 2
        estimate = one_run_epsilon(rng.integers(0, 3, n), membership, delta=1e-5)
        assert 0.0 <= estimate.value < math.inf
        assert (estimate.low, estimate.high, estimate.n) == (estimate.value, math.inf, n)
    assert one_run_epsilon(np.zeros(100), np.arange(100) % 2).value == 0.0


def test_memberships_that_are_no_tosses_of_a_coin_are_refused() -> None:
    # All called non-members, 90% are right: without this check an epsilon of 1.9.
    membership = np.repeat([1, 0], [100, 900])
    with pytest.raises(InputError, match="100 of 1000 are members; tosses of a fair coin give 40"):
        one_run_epsilon(np.arange(1000.0), membership)


@pytest.mark.parametrize("guesses", [(0, 0), (-1, 5), (150, 60)])
def test_guesses_that_the_records_do_not_hold_are_refused(guesses: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="guesses"):
        one_run_epsilon(np.arange(200.0), np.arange(200) % 2, guesses=guesses)
    with pytest.raises(InputError, match="delta"):
        one_run_epsilon(np.arange(200.0), np.arange(200) % 2, delta=-0.1)
