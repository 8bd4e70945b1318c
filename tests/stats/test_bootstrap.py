"""Bootstrap: the plain case against theory, strata, clusters, and what it refuses."""

import numpy as np
import pytest

from harness.errors import InputError
from harness.stats import auc, bootstrap, roc
from harness.stats._auc import delong

from .worlds import WEAK


def test_interval_of_a_mean_is_the_textbook_one():
    values = np.random.default_rng(0).normal(size=400)
    estimate = bootstrap(np.mean, [values], draws=4000)
    half = 1.96 * values.std() / 20
    assert estimate.value == values.mean()
    assert (estimate.low, estimate.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.01)
    assert (estimate.n, estimate.method) == (400, "bootstrap-percentile")


def test_stratified_interval_of_the_auc_agrees_with_delong():
    scores, membership = WEAK[2].draw(300, 200, np.random.default_rng(1))
    estimate = bootstrap(lambda s, y: delong(roc(s, y))[0], [scores, membership], strata=membership, draws=2000)
    expected = auc(scores, membership)
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high), abs=0.008)


def test_strata_keep_their_sizes():
    strata = np.array(["a"] * 3 + ["b"] * 5)
    seen = []
    bootstrap(lambda s: seen.append(tuple(np.unique(s, return_counts=True)[1])) or 0.0, [strata], strata=strata)
    assert set(seen) == {(3, 5)}


def test_clusters_stay_whole():
    clusters = np.repeat(np.arange(10), 7)
    rng = np.random.default_rng(2)
    rng.shuffle(clusters)
    counts = []

    def statistic(c):
        counts.append(np.unique(c, return_counts=True)[1] % 7)
        return 0.0

    bootstrap(statistic, [clusters], clusters=clusters, draws=100)
    assert not np.concatenate(counts).any()


def test_clusters_widen_the_interval_of_what_they_share():
    rng = np.random.default_rng(3)
    values = np.repeat(rng.normal(size=30), 20) + 0.1 * rng.normal(size=600)
    clusters = np.repeat(np.arange(30), 20)
    plain, clustered = bootstrap(np.mean, [values]), bootstrap(np.mean, [values], clusters=clusters)
    assert clustered.high - clustered.low > 3 * (plain.high - plain.low)


def test_arrays_are_drawn_together():
    rows = np.arange(50)
    estimate = bootstrap(lambda a, b: float(np.abs(a - b).max()), [rows, rows], clusters=rows // 5, strata=rows // 25)
    assert (estimate.low, estimate.high) == (0.0, 0.0)


def test_the_seed_decides():
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
def test_unusable_input_is_named(options, names):
    call = {"statistic": np.mean, "arrays": [np.zeros(3)]} | options
    with pytest.raises(InputError, match=names):
        bootstrap(call.pop("statistic"), call.pop("arrays"), **call)
