"""Leakage predicted from single flips that are taken side by side."""

import math

import numpy as np
import pytest

from harness.errors import InputError
from harness.mis import exact_delta, predict_log_delta, product_log_delta
from harness.types import FloatArray


def flips(decisions: int, points: int = 20_000, shift: float = 0.0, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    gaps = rng.standard_normal((decisions, points))
    gaps -= gaps.mean(axis=1, keepdims=True) - shift
    return np.concatenate([np.zeros((1, points)), gaps])


@pytest.mark.parametrize("decisions", [1, 4, 16, 64])
def test_ties_leak_like_the_square_root_of_their_number(decisions: int) -> None:
    leakage = math.exp(product_log_delta(flips(decisions), n=1600))
    assert leakage == pytest.approx(math.sqrt(decisions) / math.pi / 40, rel=0.06)


def test_one_decision_leaks_as_its_closed_form() -> None:
    assert math.exp(product_log_delta(flips(1), n=50)) == pytest.approx(
        math.asin(1 / math.sqrt(50)) / math.pi, rel=0.05
    )
    assert math.exp(product_log_delta(flips(1, shift=0.1), n=50)) == pytest.approx(3.51615e-2, rel=0.05)
    assert math.exp(product_log_delta(flips(1, shift=0.5), n=100)) == pytest.approx(1.1759e-7, rel=0.1)


def test_two_decisions_leak_as_their_enumerated_law() -> None:
    # Two independent coordinates of plus or minus one: four atoms, four patterns.
    atoms = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    law = np.outer([0.6, 0.4], [0.7, 0.3]).ravel()
    # Losses of the patterns: nothing, the first flip, the second, both.
    losses = np.stack([np.zeros(4), atoms[:, 0], atoms[:, 1], atoms.sum(axis=1)])
    truth = exact_delta(losses, law, n=41)[0]
    rng = np.random.default_rng(0)
    points = rng.choice(4, size=40_000, p=law)
    leakage = math.exp(product_log_delta(losses[:3][:, points], n=41))
    assert leakage == pytest.approx(truth, rel=0.15)


def test_the_product_prediction_is_reproducible_and_minus_infinite_without_rivals() -> None:
    losses = flips(8, points=500)
    value, about = predict_log_delta(losses, n=300, how="product", seed=3)
    assert value == predict_log_delta(losses, n=300, how="product", seed=3)[0]
    assert about["rivals"] == 8
    assert predict_log_delta(losses[:1], n=300, how="product")[0] == -math.inf
    assert product_log_delta(losses[[0, 0]], n=300) == -math.inf


@pytest.mark.parametrize(("options", "message"), [({"n": 1}, "n=1"), ({"n": 5, "base": 9}, "base=9")])
def test_n_below_two_and_a_base_beyond_the_rows_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        product_log_delta(flips(2, points=50), **options)
