"""The mean of independent estimates: exact on equal parts, honest where one part cannot answer."""

import math

import numpy as np
import pytest

from harness.errors import InputError
from harness.stats import Estimate, auc, average

from .worlds import WEAK


def estimate(value, low, high, **more):
    return Estimate(value, low, high, 100, "test", **more)


def test_one_estimate_is_its_own_mean():
    one = average([estimate(0.6, 0.5, 0.8)])
    assert (one.value, one.low, one.high, one.n) == (0.6, 0.5, 0.8, 100)


def test_k_equal_estimates_are_sharper_by_the_root_of_k():
    mean = average([estimate(0.6, 0.5, 0.8)] * 4)
    assert mean.value == pytest.approx(0.6)
    assert (mean.low, mean.high) == pytest.approx((0.55, 0.7))
    assert mean.n == 400


def test_the_wide_one_decides():
    mean = average([estimate(0.5, 0.5, 0.5), estimate(0.7, 0.3, 0.9)])
    assert (mean.value, mean.low, mean.high) == pytest.approx((0.6, 0.4, 0.7))


def test_it_covers():
    rng, world = np.random.default_rng(0), WEAK[2]
    held = [average([auc(*world.draw(150, 150, rng)) for _ in range(3)]).holds(world.auc) for _ in range(300)]
    assert 0.91 <= np.mean(held) <= 0.985


def test_what_one_cannot_resolve_the_mean_cannot():
    mean = average([estimate(0.1, 0.0, 0.2), estimate(math.nan, 0.0, 0.4, resolvable=False, needed_n=1000)])
    assert not mean.resolvable
    assert math.isnan(mean.value)
    assert mean.needed_n == 1000
    assert mean.low <= mean.high


def test_unusable_input_is_named():
    with pytest.raises(InputError, match="none to average"):
        average([])
    with pytest.raises(InputError, match="levels differ"):
        average([estimate(0.5, 0.4, 0.6), estimate(0.5, 0.4, 0.6, level=0.9)])
