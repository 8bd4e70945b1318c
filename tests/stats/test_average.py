"""The mean of independent estimates: exact for equal estimates, unresolvable where one of them is."""

import math
from typing import Any

import numpy as np
import pytest

from harness.errors import InputError
from harness.stats import Estimate, auc, average

from .populations import WEAK


def estimate(value: float, low: float, high: float, **more: Any) -> Estimate:
    return Estimate(value, low, high, 100, "test", **more)


def test_one_estimate_is_its_own_mean() -> None:
    one = average([estimate(0.6, 0.5, 0.8)])
    assert (one.value, one.low, one.high, one.n) == (0.6, 0.5, 0.8, 100)


def test_k_equal_estimates_are_sharper_by_the_root_of_k() -> None:
    mean = average([estimate(0.6, 0.5, 0.8)] * 4)
    assert mean.value == pytest.approx(0.6)
    assert (mean.low, mean.high) == pytest.approx((0.55, 0.7))
    assert mean.n == 400


def test_the_width_of_the_mean_comes_from_the_wide_estimate_alone() -> None:
    mean = average([estimate(0.5, 0.5, 0.5), estimate(0.7, 0.3, 0.9)])
    assert (mean.value, mean.low, mean.high) == pytest.approx((0.6, 0.4, 0.7))


def test_the_interval_of_a_mean_covers_in_95_percent_of_audits() -> None:
    rng, population = np.random.default_rng(0), WEAK[2]
    held = [average([auc(*population.draw(150, 150, rng)) for _ in range(3)]).holds(population.auc) for _ in range(300)]
    assert 0.91 <= np.mean(held) <= 0.985


def test_a_mean_with_an_unresolvable_estimate_is_unresolvable() -> None:
    mean = average([estimate(0.1, 0.0, 0.2), estimate(math.nan, 0.0, 0.4, resolvable=False, needed_n=1000)])
    assert not mean.resolvable
    assert math.isnan(mean.value)
    assert mean.needed_n == 1000
    assert mean.low <= mean.high


def test_no_estimates_and_different_levels_are_refused() -> None:
    with pytest.raises(InputError, match="none to average"):
        average([])
    with pytest.raises(InputError, match="levels differ"):
        average([estimate(0.5, 0.4, 0.6), estimate(0.5, 0.4, 0.6, level=0.9)])
