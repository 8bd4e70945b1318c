"""The leakage itself: enumeration against closed forms, its inequalities, simulation and the optimal attack."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InputError
from harness.mis import chernoff, exact_delta, lr_attack, mc_delta, pair_stats

TWO = np.array([[0.0, 0.0], [1.0, -1.0]])


def closed_form(q: float, n: int) -> float:
    """Delta_n for X = +-1 with P(-1) = q, odd n."""
    return 2 * q * (1 - q) * math.comb(n - 1, (n - 1) // 2) * (q * (1 - q)) ** ((n - 1) // 2)


@pytest.mark.parametrize(
    ("q", "n", "known"),
    [(0.5, 101, 3.979462e-2), (0.4, 51, 1.942253e-2), (0.3, 51, 6.032748e-4), (0.1, 21, 1.159568e-6)],
)
def test_the_closed_form_of_two_points(q: float, n: int, known: float) -> None:
    delta, overall, _ = exact_delta(TWO, np.array([1 - q, q]), n=n)
    assert delta == pytest.approx(closed_form(q, n), rel=1e-9)
    assert delta == pytest.approx(known, rel=1e-6)
    assert overall.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("q", "n", "rate"),
    [(0.3, 51, 0.1454), (0.3, 501, 0.0954), (0.3, 5001, 0.0882), (0.1, 21, 0.651), (0.1, 201, 0.531)],
)
def test_the_rate_tends_to_chernoffs_exponent_and_not_to_the_gaussian_one(q: float, n: int, rate: float) -> None:
    delta = exact_delta(TWO, np.array([1 - q, q]), n=n)[0]
    assert -math.log(delta) / n == pytest.approx(rate, abs=6e-5 if q == 0.3 else 6e-4)
    exponent = chernoff(np.array([1.0, -1.0]), weights=np.array([1 - q, q])).exponent
    assert -math.log(delta) / n > exponent


@pytest.mark.parametrize(("q", "n", "ratio"), [(0.3, 51, 1.106), (0.3, 501, 1.012), (0.3, 5001, 1.001)])
def test_leakage_is_twice_the_chance_of_an_upset_times_the_tilted_total_variation(
    q: float, n: int, ratio: float
) -> None:
    delta, overall, _ = exact_delta(TWO, np.array([1 - q, q]), n=n)
    tv = chernoff(np.array([1.0, -1.0]), weights=np.array([1 - q, q])).tv
    assert delta / (2 * overall[1] * tv) == pytest.approx(ratio, abs=6e-4)


laws = st.integers(0, 10_000).map(np.random.default_rng)


@settings(deadline=None, max_examples=40)
@given(laws, st.integers(2, 4), st.integers(2, 4))
def test_one_record_gives_the_chance_that_two_selections_differ(rng: np.random.Generator, k: int, atoms: int) -> None:
    losses, law = rng.standard_normal((k, atoms)), rng.dirichlet(np.ones(atoms))
    delta, p, _ = exact_delta(losses, law, n=1)
    assert delta == pytest.approx(float((p * (1 - p)).sum()), abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(laws, st.integers(2, 5), st.integers(2, 4), st.integers(1, 12))
def test_the_chain_of_inequalities_holds(rng: np.random.Generator, k: int, atoms: int, n: int) -> None:
    losses, law = rng.standard_normal((k, atoms)), rng.dirichlet(np.ones(atoms))
    delta, p, given_z = exact_delta(losses, law, n=n)
    stats = pair_stats(losses, weights=law)
    spread = float((p * (1 - p)).sum())
    bound = 2 * sum(math.exp(-n * chernoff(losses[i] - losses[stats.ref], weights=law).exponent) for i in stats.idx)
    slack = 1e-12
    assert delta <= spread + slack
    assert spread <= 2 * (1 - p[stats.ref]) + slack
    assert 2 * (1 - p[stats.ref]) <= bound + 1e-9
    assert -slack <= delta <= 1 - 1 / k + slack
    assert delta >= float((law @ np.abs(given_z - p)).max()) - slack


@settings(deadline=None, max_examples=40)
@given(laws, st.integers(3, 5), st.integers(1, 10))
def test_an_observer_of_merged_outcomes_learns_no_more(rng: np.random.Generator, k: int, n: int) -> None:
    losses, law = rng.standard_normal((k, 3)), rng.dirichlet(np.ones(3))
    delta, p, given_z = exact_delta(losses, law, n=n)
    merged, merged_z = np.append(p[2:], p[:2].sum()), np.c_[given_z[:, 2:], given_z[:, :2].sum(axis=1)]
    assert 0.5 * float((law @ np.abs(merged_z - merged)).sum()) <= delta + 1e-12


@settings(deadline=None, max_examples=40)
@given(laws, st.integers(2, 4), st.floats(0.01, 100))
def test_scale_and_what_all_candidates_share_change_nothing(rng: np.random.Generator, k: int, scale: float) -> None:
    losses, law = rng.standard_normal((k, 4)), rng.dirichlet(np.ones(4))
    moved = scale * losses + rng.standard_normal(4)
    delta = exact_delta(losses, law, n=9)[0]
    assert exact_delta(moved, law, n=9)[0] == pytest.approx(delta, rel=1e-9, abs=1e-14)
    columns = rng.permutation(4)
    assert exact_delta(losses[:, columns], law[columns], n=9)[0] == pytest.approx(delta, rel=1e-9, abs=1e-14)
    assert exact_delta(losses[rng.permutation(k)], law, n=9)[0] == pytest.approx(delta, rel=1e-9, abs=1e-14)
    assert exact_delta(np.r_[losses, losses[:1]], law, n=9)[0] == pytest.approx(delta, rel=1e-9, abs=1e-14)


def test_a_single_candidate_leaks_nothing() -> None:
    delta, p, _ = exact_delta(np.ones((1, 3)), np.full(3, 1 / 3), n=7)
    assert delta == 0.0
    assert p.tolist() == pytest.approx([1.0])


def test_the_attack_reaches_the_accuracy_that_the_leakage_promises() -> None:
    q, n, games = 0.4, 11, 400_000
    rng = np.random.default_rng(7)
    law = np.array([1 - q, q])
    delta, p, given_z = exact_delta(TWO, law, n=n)
    member = rng.random(games) < 0.5
    z = (rng.random(games) < q).astype(np.int64)
    others = rng.binomial(n - 1, q, games)  # how many of the other records have X = -1
    own = np.where(member, z, rng.random(games) < q)
    total = n - 2 * (others + own)  # sum of X; the rival wins below zero, n is odd
    guess = lr_attack(given_z[z], p, (total < 0).astype(np.int64))
    accuracy = float((guess == member).mean())
    print(f"attack accuracy {accuracy:.4f}, (1 + Delta)/2 = {(1 + delta) / 2:.4f}")
    assert abs(accuracy - (1 + delta) / 2) <= 3 * 0.5 / math.sqrt(games)


def test_simulation_brackets_the_leakage() -> None:
    rng = np.random.default_rng(3)
    losses, law, n = rng.standard_normal((5, 4)) * 0.5, np.array([0.4, 0.3, 0.2, 0.1]), 15
    delta = exact_delta(losses, law, n=n)[0]
    sums = rng.multinomial(n - 1, law, 20_000) @ losses.T
    lower, upper = mc_delta(sums[:10_000], sums[10_000:], losses[:, rng.choice(4, 2000, p=law)].T)
    print(f"exact {delta:.4f}, simulated [{lower:.4f}, {upper:.4f}]")
    assert lower <= upper
    assert lower == pytest.approx(delta, rel=0.1)
    assert upper == pytest.approx(delta, rel=0.1)


def test_simulated_noise_alone_stays_on_both_sides_of_zero() -> None:
    rng = np.random.default_rng(0)
    far = np.array([0.0, 1e9])
    lower, upper = mc_delta(rng.random((50, 2)) + far, rng.random((50, 2)) + far, rng.random((20, 2)))
    assert (lower, upper) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: exact_delta(TWO, np.array([0.5, 0.5]), n=0), "n=0"),
        (lambda: exact_delta(TWO, np.array([0.5, 0.6]), n=3), "weights"),
        (lambda: exact_delta(np.full((2, 2), np.nan), np.array([0.5, 0.5]), n=3), "losses"),
        (lambda: exact_delta(np.zeros((2, 9)), np.full(9, 1 / 9), n=500), "states"),
        (lambda: mc_delta(np.zeros((3, 2)), np.zeros((3, 3)), np.zeros((1, 2))), "sums_b"),
        (lambda: lr_attack(np.zeros((2, 2)), np.zeros(2), np.array([0, 2])), "selected"),
        (lambda: lr_attack(np.zeros((2, 2)), np.zeros(3), np.array([0, 1])), "expected"),
    ],
)
def test_bad_laws_losses_sums_and_selections_are_refused_by_name(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
