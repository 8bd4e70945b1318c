"""Exponent, saddle point and local limit against closed forms and enumeration."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from harness.errors import InputError
from harness.mis import (
    chernoff,
    exact_delta,
    gauss_log_delta,
    local_log_delta,
    mc_delta,
    pair_stats,
    predict_log_delta,
    saddle_log_delta,
)
from harness.types import FloatArray


def normal_grid(points: int, shift: float = 0.0) -> FloatArray:
    z = norm.ppf((np.arange(points) + 0.5) / points)
    values: FloatArray = z / z.std() + shift
    return values


def gaussian_delta(s: float, n: int) -> float:
    """2 [Phi_2(a, b; 1/sqrt n) - Phi(a) Phi(b)], the bivariate part by Plackett's integral."""
    a, b = -s * math.sqrt(n), s * (math.sqrt(n * (n - 1)) - n)

    def density(r: float) -> float:
        return math.exp(-(a * a - 2 * r * a * b + b * b) / (2 * (1 - r * r))) / (2 * math.pi * math.sqrt(1 - r * r))

    return 2 * quad(density, 0, 1 / math.sqrt(n), epsabs=0, epsrel=1e-12)[0]


@pytest.mark.parametrize("q", [0.4, 0.3, 0.1])
def test_chernoff_of_two_points(q: float) -> None:
    tail = chernoff(np.array([1.0, -1.0]), weights=np.array([1 - q, q]))
    assert tail.exponent == pytest.approx(-math.log(2 * math.sqrt(q * (1 - q))), abs=1e-10)
    assert tail.tau == pytest.approx(0.5 * math.log((1 - q) / q), abs=1e-10)
    assert tail.tv == pytest.approx(0.5 - q, abs=1e-10)
    assert tail.status == "ok"


@pytest.mark.parametrize("s", [0.05, 0.2, 0.5, 1.0])
def test_chernoff_of_a_gaussian(s: float) -> None:
    tail = chernoff(normal_grid(200_000, s))
    assert tail.exponent == pytest.approx(s * s / 2, rel=1e-3)
    assert tail.tau == pytest.approx(s, rel=1e-3)
    assert tail.tv == pytest.approx(2 * norm.cdf(s / 2) - 1, rel=1e-3)


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_the_exponent_does_not_depend_on_the_unit_of_the_losses(unit: float) -> None:
    x = np.random.default_rng(1).standard_normal(500) + 0.3
    assert chernoff(unit * x).exponent == pytest.approx(chernoff(x).exponent, rel=1e-9)


@pytest.mark.parametrize(
    ("x", "status", "exponent"),
    [
        (np.zeros(40), "tie", 0.0),
        (np.tile([1.0, -1.0], 40), "tie", 0.0),
        (np.tile([1.0, -2.0], 40), "ref_not_minimiser", 0.0),
        (np.tile([0.0, 1.0, 2.0, 3.0], 20), "never_beaten", math.log(4)),
        (np.ones(40), "never_beaten", math.inf),
        (np.r_[np.full(200, 1.0), -0.5], "extrapolated", None),
    ],
)
def test_degenerate_differences_have_their_status(x: FloatArray, status: str, exponent: float | None) -> None:
    tail = chernoff(x)
    assert tail.status == status
    if exponent is not None:
        assert tail.exponent == pytest.approx(exponent)
    assert not math.isnan(tail.exponent + tail.tv)


def test_the_bias_of_the_plug_in_exponent_is_what_is_subtracted() -> None:
    rng, n, s = np.random.default_rng(5), 400, 0.4
    tails = [chernoff(rng.standard_normal(n) + s) for _ in range(1500)]
    raw, less = np.array([[f.exponent, f.exponent - f.bias / n] for f in tails]).T
    error = raw.std() / math.sqrt(len(raw))
    print(f"plug-in bias {raw.mean() - s * s / 2:.5f}, after {less.mean() - s * s / 2:.5f}, +-{error:.5f}")
    assert raw.mean() - s * s / 2 > 3 * error
    assert abs(less.mean() - s * s / 2) < 3 * error


@pytest.mark.parametrize(
    ("s", "n", "known"),
    [
        (0.0, 50, 4.51672e-2),
        (0.1, 50, 3.51615e-2),
        (0.1, 400, 2.15393e-3),
        (0.3, 100, 3.5287e-4),
        (0.5, 100, 1.1759e-7),
    ],
)
def test_the_saddle_point_is_exact_for_gaussian_differences(s: float, n: int, known: float) -> None:
    exact = gaussian_delta(s, n)
    assert exact == pytest.approx(known, rel=1e-4)
    saddle = math.exp(saddle_log_delta(normal_grid(100_000, s), n=n))
    print(f"s={s} n={n}: exact {exact:.6g}, saddle off by {saddle / exact - 1:+.1e}")
    assert saddle == pytest.approx(exact, rel=2e-4)
    assert math.exp(float(gauss_log_delta(np.array(s), n=n))) == pytest.approx(exact, rel=1e-2)


@pytest.mark.parametrize("n", [20, 50, 400])
def test_a_gaussian_tie_has_a_closed_form(n: int) -> None:
    tie = math.asin(1 / math.sqrt(n)) / math.pi
    assert gaussian_delta(0.0, n) == pytest.approx(tie, rel=1e-9)
    assert math.exp(saddle_log_delta(normal_grid(100_000), n=n)) == pytest.approx(tie, rel=1e-3)


@pytest.mark.parametrize("n", [10, 20, 40, 80, 160])
def test_the_saddle_point_holds_for_skewed_differences(n: int) -> None:
    x, law = np.array([-1.3, -0.2, 0.45, 2.1]), np.array([0.2, 0.3, 0.35, 0.15])
    exact = exact_delta(np.stack([np.zeros(4), x]), law, n=n)[0]
    ratio = exact / math.exp(saddle_log_delta(x, n=n, weights=law))
    print(f"n={n}: exact/saddle {ratio:.3f}")
    assert ratio == pytest.approx(1.0, abs=0.06)


def test_a_thousand_nats_do_not_underflow() -> None:
    log_delta = saddle_log_delta(normal_grid(100_000, 1.0), n=100_000)
    assert log_delta == pytest.approx(-5.0e4, rel=1e-3)
    assert saddle_log_delta(normal_grid(100_000, 1.0), n=200_000) < log_delta


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (np.ones(50), -math.inf),
        (np.zeros(50), -math.inf),
        (np.tile([0.0, 1.0], 25), 9 * math.log(0.5) + math.log(0.5)),
    ],
)
def test_differences_that_never_favour_the_rival_have_their_closed_form(x: FloatArray, expected: float) -> None:
    assert saddle_log_delta(x, n=10) == pytest.approx(expected)


def test_a_tie_of_two_falls_like_one_over_pi_root_n() -> None:
    n = 10_000
    losses = np.stack([np.zeros(50_000), normal_grid(50_000)])
    assert math.sqrt(n) * math.exp(local_log_delta(losses, n=n)) == pytest.approx(1 / math.pi, rel=0.01)
    assert math.sqrt(n) * math.exp(predict_log_delta(losses, n=n)[0]) == pytest.approx(1 / math.pi, rel=0.01)


def tied_coordinates(d: int, points: int, rng: np.random.Generator) -> FloatArray:
    x = rng.standard_normal((d, points))
    x = np.linalg.solve(np.linalg.cholesky(np.atleast_2d(np.cov(x))), x - x.mean(axis=1, keepdims=True))
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * d)).reshape(d, -1).T
    return signs @ x


@pytest.mark.parametrize("d", [1, 2, 4])
def test_leakage_grows_with_the_root_of_the_undecided_coordinates(d: int) -> None:
    n = 10_000
    losses = tied_coordinates(d, 50_000, np.random.default_rng(d))
    scaled = math.sqrt(n) * math.exp(local_log_delta(losses, n=n))
    print(f"d={d}: sqrt(n) Delta {scaled:.4f}, sqrt(d)/pi {math.sqrt(d) / math.pi:.4f}")
    assert scaled == pytest.approx(math.sqrt(d) / math.pi, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("k", "h"), [(2, 0.0), (2, 1.0), (3, 0.0), (6, 0.5), (6, 2.0)])
def test_the_local_limit_agrees_with_simulation(k: int, h: float) -> None:
    n, points = 1600, 20_000
    rng = np.random.default_rng(11)
    noise = rng.standard_normal((k, points))
    losses = noise - noise.mean(axis=1, keepdims=True)
    losses[1:] += h / math.sqrt(n)
    local = math.sqrt(n) * math.exp(local_log_delta(losses, n=n))
    spread = np.linalg.cholesky(np.cov(losses))
    sums = rng.standard_normal((60_000, k)) @ spread.T * math.sqrt(n - 1) + (n - 1) * losses.mean(axis=1)
    targets = losses[:, rng.choice(points, 800, replace=False)].T
    lower, upper = (math.sqrt(n) * v for v in mc_delta(sums[:30_000], sums[30_000:], targets))
    print(f"K={k} h={h}: local {local:.4f}, simulated [{lower:.4f}, {upper:.4f}]")
    # The simulation's own noise: about 3% from the draws near the tie, 3% from the targets.
    assert 0.9 * lower <= local <= 1.1 * upper


def test_simulated_trainings_agree_with_the_saddle_point() -> None:
    losses = np.stack([np.zeros(4000), normal_grid(4000, 0.1)])
    log_delta, facts = predict_log_delta(losses, n=100, how="bootstrap", seed=2)
    exact = gaussian_delta(0.1, 100)
    print(f"exact {exact:.4f}, simulated [{facts['lower']:.4f}, {facts['upper']:.4f}]")
    assert math.exp(log_delta) == pytest.approx(facts["lower"])
    assert facts["lower"] == pytest.approx(exact, rel=0.15)
    assert facts["lower"] <= facts["upper"]


def test_the_bracket_of_pairs_is_in_order_and_capped() -> None:
    losses = tied_coordinates(4, 2000, np.random.default_rng(0))
    low, _ = predict_log_delta(losses, n=10, how="saddle_max")
    high, facts = predict_log_delta(losses, n=10, how="saddle_sum")
    assert low <= high <= math.log(1 - 1 / 16)
    assert facts == {"rivals": 15.0, "computed": 15.0}


def test_a_single_candidate_predicts_no_leakage() -> None:
    for how in ("saddle_max", "saddle_sum", "local", "bootstrap"):
        assert predict_log_delta(np.ones((3, 10)), n=50, how=how)[0] == -math.inf


def test_pair_statistics_of_a_known_law() -> None:
    law, losses = np.array([0.2, 0.3, 0.5]), np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [0.0, 1.0, -0.2]])
    stats = pair_stats(losses, weights=law)
    assert stats.ref == 1
    assert stats.idx.tolist() == [0, 2]
    assert stats.delta.tolist() == pytest.approx([2.3, 0.2])
    assert stats.sigma[0] == pytest.approx(math.sqrt(0.2 + 1.2 + 4.5 - 2.3**2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: chernoff(np.array([])), "x: shape"),
        (lambda: chernoff(np.array([1.0, np.nan])), "x: shape"),
        (lambda: saddle_log_delta(np.ones(3), n=1), "n=1"),
        (lambda: local_log_delta(np.ones((2, 5)), n=0), "n=0"),
        (lambda: predict_log_delta(np.ones((2, 5)), n=9, how="guess"), "how='guess'"),
        (lambda: predict_log_delta(np.ones((2, 5)), n=1), "n=1"),
        (lambda: pair_stats(np.ones((2, 5)), ref=2), "ref=2"),
        (lambda: pair_stats(np.ones((2, 5)), weights=np.ones(4)), "weights"),
    ],
)
def test_bad_differences_n_methods_and_weights_are_refused_by_name(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
