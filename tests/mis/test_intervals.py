"""Intervals, paired differences, ranks; strata and clusters."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from harness.errors import InputError
from harness.mis import bootstrap_ci, estimate
from harness.mis._differences import rank_shares
from harness.mis._units import resamples, split_masks, units_of
from tests.mis.simulated import rivals


def coverage(gaps: Sequence[float], *, reps: int, points: int = 500, method: str = "gauss") -> float:
    truth = 0.5 * min(gaps) ** 2
    results = [
        bootstrap_ci({"q": rivals(np.random.default_rng(500 + i), gaps, points)}, draws=400, seed=i, method=method)
        for i in range(reps)
    ]
    share = float(np.mean([f.intervals["q"].holds(truth) for f in results]))
    width = float(np.mean([f.intervals["q"].high - f.intervals["q"].low for f in results]))
    print(f"{len(gaps)} rival(s), {method}: coverage {share:.3f}, mean width {width:.4f} at r {truth:.4f}")
    return share


@pytest.mark.slow
def test_the_interval_of_one_rival_covers() -> None:
    assert 0.90 <= coverage([0.2], reps=400) <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "gaps"), [("chernoff", [0.2]), ("gauss", np.linspace(0.2, 0.4, 9)), ("gauss", [0.2] * 49)]
)
def test_the_interval_covers_whatever_the_rivals(method: str, gaps: Sequence[float]) -> None:
    # Many near-equal rivals widen it: the split decides who is measured, and that is part of the doubt.
    assert coverage(list(gaps), reps=150, method=method) >= 0.88


def test_equal_quantizers_tie_exactly_and_their_difference_is_zero() -> None:
    losses = rivals(np.random.default_rng(0), [0.3, 0.4], 400)
    result = bootstrap_ci({"a": losses, "b": losses + 1.0, "c": losses[:, ::-1] * 3}, draws=200)
    gap = result.differences["a", "b"]
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)
    assert result.ranks["a"] == pytest.approx(result.ranks["b"])
    assert sum(np.array(list(result.ranks.values()))) == pytest.approx([1.0, 1.0, 1.0])


def test_a_paired_difference_separates_quantizers_whose_intervals_overlap() -> None:
    rng = np.random.default_rng(1)
    noise = rng.standard_normal(800)
    a, b = (np.stack([np.zeros(800), noise + gap]) for gap in (0.30, 0.33))
    result = bootstrap_ci({"a": a, "b": b}, draws=400)
    assert result.intervals["a"].high > result.intervals["b"].low  # they overlap
    assert result.differences["b", "a"].low > 0
    assert result.ranks["b"] == (1.0, 0.0)
    assert result.differences["a", "b"].value == -result.differences["b", "a"].value


def test_ties_share_their_ranks() -> None:
    shares = rank_shares(np.array([[3.0, 1.0], [3.0, 2.0], [1.0, 1.0 + 1e-12]]))
    assert shares.tolist() == [[0.25, 0.5, 0.25], [0.75, 0.25, 0.0], [0.0, 0.25, 0.75]]


def test_an_interval_over_clusters_of_copies_is_as_wide_as_over_their_sources() -> None:
    losses = rivals(np.random.default_rng(2), [0.3], 200)
    copied = np.repeat(losses, 5, axis=1)
    sources = np.repeat(np.arange(200), 5)
    once = bootstrap_ci({"q": losses}, draws=400).intervals["q"]
    naive = bootstrap_ci({"q": copied}, draws=400).intervals["q"]
    honest = bootstrap_ci({"q": copied}, draws=400, clusters=sources).intervals["q"]
    assert naive.high - naive.low < 0.6 * (once.high - once.low)
    assert honest.high - honest.low == pytest.approx(once.high - once.low, rel=0.2)
    assert honest.n == 200


def test_splits_keep_clusters_whole_and_strata_balanced() -> None:
    clusters, strata = np.arange(60) // 3, np.arange(60) // 15
    units = units_of(60, strata=strata, clusters=clusters)
    masks = split_masks(units, 8, np.random.default_rng(0))
    assert all(len(set(mask[clusters == c])) == 1 for mask in masks for c in range(20))
    assert all(abs(int(mask[strata == s].sum()) - 7.5) <= 1.5 for mask in masks for s in range(4))
    counts = resamples(units, 50, np.random.default_rng(0)).counts
    assert counts.shape == (20, 50)
    assert all((stratum.sum(axis=0) == 5).all() for stratum in np.split(counts, 4))
    assert units.sums(np.ones(60)).tolist() == [3.0] * 20


def test_resamples_are_multinomial() -> None:
    counts = resamples(units_of(1000), 300, np.random.default_rng(0)).counts.astype(float)
    assert (counts.sum(axis=0) == 1000).all()
    assert counts.var() == pytest.approx(1.0, abs=0.02)


def test_many_records_are_drawn_in_random_batches_within_their_strata() -> None:
    strata = np.arange(30_000) // 20_000
    units = units_of(30_000, strata=strata)
    drawn = resamples(units, 20, np.random.default_rng(0))
    assert 7000 < len(drawn.counts) <= 8192
    firsts = {s: set(drawn.of_unit[strata == s]) for s in (0, 1)}
    assert not firsts[0] & firsts[1]
    assert set(np.bincount(drawn.of_unit)) <= {4, 5}
    values = np.random.default_rng(1).standard_normal(30_000)
    assert drawn.sums(values).sum() == pytest.approx(values.sum())
    assert drawn.sums(values).std() == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"draws": 10}, "draws=10"),
        ({"level": 1.0}, "level=1.0"),
        ({"strata": np.zeros(3)}, "strata"),
        ({"clusters": np.zeros(40)}, "clusters: 1 distinct"),
        ({"clusters": np.arange(40) // 4, "strata": np.arange(40) % 2}, "two strata"),
    ],
)
def test_bad_draws_levels_strata_and_clusters_are_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        estimate({"q": rivals(np.random.default_rng(0), [0.3], 40)}, n=10, **options)
