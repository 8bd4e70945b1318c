"""Bootstrap: the plain case against theory, strata, clusters, and refused arguments."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.errors import InputError
from harness.stats import auc, bootstrap, roc
from harness.stats._auc import delong
from harness.types import IntArray

from .populations import WEAK


def test_interval_of_a_mean_is_the_textbook_one() -> None:
    values = np.random.default_rng(0).normal(size=400)
    estimate = bootstrap(np.mean, [values], draws=4000)
    half = 1.96 * values.std() / 20
    assert estimate.value == values.mean()
    assert (estimate.low, estimate.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.01)
    assert (estimate.n, estimate.method) == (400, "bootstrap-percentile")


def test_stratified_interval_of_the_auc_agrees_with_delong() -> None:
    scores, membership = WEAK[2].draw(300, 200, np.random.default_rng(1))
    estimate = bootstrap(lambda s, y: delong(roc(s, y))[0], [scores, membership], strata=membership, draws=2000)
    expected = auc(scores, membership)
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high), abs=0.008)


def test_strata_keep_their_sizes() -> None:
    strata = np.array(["a"] * 3 + ["b"] * 5)
    sizes = []

    def statistic(drawn: NDArray[np.str_]) -> float:
        sizes.append(tuple(np.unique(drawn, return_counts=True)[1]))
        return 0.0

    bootstrap(statistic, [strata], strata=strata)
    assert set(sizes) == {(3, 5)}


def test_clusters_are_drawn_whole() -> None:
    clusters = np.repeat(np.arange(10), 7)
    rng = np.random.default_rng(2)
    rng.shuffle(clusters)
    counts = []

    def statistic(c: IntArray) -> float:
        counts.append(np.unique(c, return_counts=True)[1] % 7)
        return 0.0

    bootstrap(statistic, [clusters], clusters=clusters, draws=100)
    assert not np.concatenate(counts).any()


def test_clusters_that_share_a_value_widen_the_interval() -> None:
    rng = np.random.default_rng(3)
    values = np.repeat(rng.normal(size=30), 20) + 0.1 * rng.normal(size=600)
    clusters = np.repeat(np.arange(30), 20)
    plain, clustered = bootstrap(np.mean, [values]), bootstrap(np.mean, [values], clusters=clusters)
    assert clustered.high - clustered.low > 3 * (plain.high - plain.low)


def test_arrays_are_drawn_together() -> None:
    rows = np.arange(50)
    estimate = bootstrap(lambda a, b: float(np.abs(a - b).max()), [rows, rows], clusters=rows // 5, strata=rows // 25)
    assert (estimate.low, estimate.high) == (0.0, 0.0)


def test_equal_seeds_give_equal_intervals_and_other_seeds_others() -> None:
    values = np.random.default_rng(4).normal(size=50)
    assert bootstrap(np.mean, [values], seed=1) == bootstrap(np.mean, [values], seed=1)
    assert bootstrap(np.mean, [values], seed=1) != bootstrap(np.mean, [values], seed=2)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"arrays": []}, "arrays: there are no records"),
        ({"arrays": [np.zeros(3), np.zeros(4)]}, "entry 1"),
        ({"draws": 10}, "draws: 10"),
        ({"strata": np.zeros(2)}, "strata"),
        ({"clusters": [0, 0, 1], "strata": [0, 1, 1]}, "several strata"),
        ({"statistic": lambda _: float("nan")}, "statistic: nan on the records"),
        ({"level": 2.0}, "level"),
    ],
)
def test_an_unusable_argument_is_refused_by_name(options: dict[str, Any], names: str) -> None:
    call: dict[str, Any] = {"statistic": np.mean, "arrays": [np.zeros(3)]} | options
    with pytest.raises(InputError, match=names):
        bootstrap(**call)
