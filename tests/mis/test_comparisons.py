"""Which of two quantizers leaks more, from paired draws; and what is said where the records cannot tell."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.mis import estimate
from harness.mis._compared import leakages
from harness.mis._units import units_of
from harness.results import Comparison, Leakage
from harness.types import FloatArray

POINTS = 1000


def pair(first: float, second: float, shared: float, seed: int, points: int = POINTS) -> dict[str, FloatArray]:
    """Two quantizers of one rival each, gaps in standard deviations, losses correlated by `shared`."""
    one, other = np.random.default_rng(seed).standard_normal((2, points))
    other = shared * one + math.sqrt(1.0 - shared**2) * other
    nothing = np.zeros(points)
    return {"first": np.stack([nothing, one + first]), "second": np.stack([nothing, other + second])}


def compared(losses: dict[str, FloatArray], n: int, seed: int = 0) -> dict[str, tuple[Leakage, dict[str, Comparison]]]:
    return leakages(losses, n=n, level=0.95, seed=seed, units=units_of(next(iter(losses.values())).shape[1]))


def test_the_quantizer_with_the_larger_gap_is_safer_in_both_directions() -> None:
    found = compared(pair(0.0, 0.3, 0.0, seed=1), n=500)
    assert found["first"][1]["second"].verdict == "leaks more"
    assert found["second"][1]["first"].verdict == "safer"
    there, back = found["first"][1]["second"].log_ratio, found["second"][1]["first"].log_ratio
    assert (there.value, there.low, there.high) == (-back.value, -back.high, -back.low)
    assert there.low < there.value < there.high


def test_equal_matrices_have_the_ratio_zero_and_no_order() -> None:
    losses = pair(0.1, 0.0, 0.0, seed=2)["first"]
    one = compared({"a": losses, "b": losses.copy()}, n=500)["a"][1]["b"]
    assert one.log_ratio.value == 0.0
    assert one.verdict == "not resolved"


@pytest.mark.slow
@pytest.mark.parametrize(("gap", "shared"), [(0.0, 0.0), (0.1, 0.9)])
def test_quantizers_that_leak_alike_are_rarely_ordered(gap: float, shared: float) -> None:
    verdicts = [
        compared(pair(gap, gap, shared, seed), n=POINTS, seed=seed)["first"][1]["second"].verdict for seed in range(60)
    ]
    wrong = sum(verdict != "not resolved" for verdict in verdicts)
    print(f"gap {gap}, shared {shared}: {wrong} of {len(verdicts)} ordered")
    assert wrong <= 8  # more have a chance below 1% at 5%


@pytest.mark.slow
def test_what_two_quantizers_share_helps_to_tell_them_apart() -> None:
    resolved = {
        shared: sum(
            compared(pair(0.1, 0.2, shared, seed), n=POINTS, seed=seed)["first"][1]["second"].verdict == "leaks more"
            for seed in range(30)
        )
        for shared in (0.0, 0.95)
    }
    print(f"resolved of 30, by correlation: {resolved}")
    assert resolved[0.95] >= resolved[0.0] + 8


def test_quantizers_that_were_not_probed_are_compared_with_none() -> None:
    losses = pair(0.0, 0.3, 0.0, seed=3) | {"alone": np.zeros((1, POINTS))}
    found = compared(losses, n=500)
    assert found["alone"][0].status == "single_candidate"
    assert found["alone"][1] == {}
    assert set(found["first"][1]) == {"second"}
    few = {name: matrix[:, :20] for name, matrix in losses.items()}
    assert all(not one.comparisons for one in estimate(few, n=100, draws=100))


def test_a_rival_that_no_record_prefers_makes_no_quantizer_safer_for_certain() -> None:
    x = np.random.default_rng(4).standard_normal(200)
    losses = {"tied": np.stack([np.zeros(200), x - x.mean()]), "unbeaten": np.stack([np.zeros(200), np.abs(x) + 0.1])}
    found = compared(losses, n=100)
    assert found["unbeaten"][0].status == "unresolved"
    assert found["unbeaten"][0].delta.high > 1e-3
    assert found["unbeaten"][1]["tied"].verdict == "not resolved"


def test_an_order_of_many_quantizers_asks_for_more_than_one_of_two() -> None:
    two = pair(0.0, 0.15, 0.0, seed=5)
    more = two | {f"other-{i}": pair(0.0, 0.1, 0.0, seed=10 + i)["second"] for i in range(6)}
    alone, among = (compared(losses, n=500)["first"][1]["second"].log_ratio for losses in (two, more))
    assert among.low < alone.low
    assert among.high > alone.high


def test_comparisons_do_not_depend_on_the_order_of_quantizers() -> None:
    losses = pair(0.05, 0.2, 0.5, seed=6)
    one = compared(losses, n=500)["first"][1]["second"].log_ratio
    other = compared(dict(reversed(losses.items())), n=500)["first"][1]["second"].log_ratio
    assert one.low == pytest.approx(other.low, rel=1e-9)
    assert one.high == pytest.approx(other.high, rel=1e-9)
