"""Intervals of r, paired differences, ranks; strata and clusters."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from harness.errors import InputError
from harness.mis import bootstrap_ci, estimate
from harness.mis._differences import rank_shares
from harness.mis._rivals import critical
from harness.mis._units import resamples, split_masks, units_of
from harness.types import FloatArray
from tests.mis.simulated import rivals

Law = Callable[[np.random.Generator], FloatArray]


def misses(law: Law, r: float, *, audits: int, method: str = "gauss") -> tuple[float, float, float]:
    """Shares of audits whose interval lies above the true r (unsafe) and below it, and the median r over the truth."""
    found = [
        bootstrap_ci({"q": law(np.random.default_rng(500 + i))}, draws=300, splits=1, seed=i, method=method)
        for i in range(audits)
    ]
    each = [one.intervals["q"] for one in found]
    unsafe, safe = float(np.mean([e.low > r for e in each])), float(np.mean([e.high < r for e in each]))
    median = float(np.median([e.value for e in each])) / r
    print(f"{method}: above the truth {unsafe:.3f}, below {safe:.3f}, median r / true {median:.2f}")
    assert all(e.low <= e.value <= e.high for e in each)
    return unsafe, safe, median


def gaussian(gaps: Sequence[float], points: int) -> Law:
    return lambda rng: rivals(rng, gaps, points)


def student(gaps: Sequence[float], points: int) -> Law:
    """Differences of three degrees of freedom, variance one."""

    def law(rng: np.random.Generator) -> FloatArray:
        noise = rng.standard_t(3, (len(gaps), points)) / np.sqrt(3.0)
        return np.concatenate([np.zeros((1, points)), noise + np.asarray(gaps)[:, None]])

    return law


@pytest.mark.slow
@pytest.mark.parametrize(("method", "audits"), [("gauss", 400), ("chernoff", 150)])
def test_the_interval_of_one_rival_covers(method: str, audits: int) -> None:
    unsafe, safe, median = misses(gaussian([0.2], 500), 0.02, audits=audits, method=method)
    assert 0.02 <= unsafe + safe <= 0.10
    assert 0.85 <= median <= 1.15


@pytest.mark.slow
@pytest.mark.parametrize("count", [9, 49])
def test_the_interval_of_equal_rivals_covers_and_is_never_too_high(count: int) -> None:
    unsafe, safe, median = misses(gaussian([0.2] * count, 1000), 0.02, audits=150)
    assert unsafe == 0.0
    assert safe <= 0.08
    # Half of what the choice of the closest has taken off stays off: nobody can tell them from one close rival.
    assert 0.5 <= median <= 1.0


@pytest.mark.slow
@pytest.mark.parametrize(("far", "points"), [(63, 1000), (63, 4000)])
def test_the_interval_of_one_close_rival_among_many_farther_ones_is_not_too_high(far: int, points: int) -> None:
    unsafe, safe, median = misses(gaussian([0.1, *[0.15] * far], points), 0.005, audits=60)
    assert unsafe + safe <= 0.08
    assert unsafe <= 0.04
    assert median <= 1.6  # a cross-fitted minimum is at 1.9


@pytest.mark.slow
@pytest.mark.parametrize("gaps", [[0.15] * 3, [0.1, 0.15, 0.15]])
def test_the_interval_covers_under_heavy_tails(gaps: Sequence[float]) -> None:
    unsafe, safe, median = misses(student(gaps, 1000), 0.5 * min(gaps) ** 2, audits=200)
    assert unsafe + safe <= 0.09
    assert unsafe <= 0.05
    assert 0.6 <= median <= 1.4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "second", "points"),
    [([0.15], [0.15], 1000), ([0.15] * 31, [0.15], 1000), ([0.1, *[0.15] * 31], [0.1], 2000), ([0.0], [0.0] * 3, 500)],
)
def test_quantizers_of_equal_r_are_seldom_told_apart(
    first: Sequence[float], second: Sequence[float], points: int
) -> None:
    sides, audits = np.zeros(2), 100
    for i in range(audits):
        rng = np.random.default_rng(i)
        pair = {"first": rivals(rng, first, points), "second": rivals(rng, second, points)}
        difference = bootstrap_ci(pair, draws=300, splits=1, seed=i).differences["first", "second"]
        sides += difference.low > 0.0, difference.high < 0.0
    print(f"first called safer in {sides[0] / audits:.3f}, second in {sides[1] / audits:.3f}")
    # Nominal 0.025 a side: of 100, more than 7 have a chance of one in a hundred.
    assert sides.max() <= 7


def test_a_clear_difference_is_resolved_though_both_have_many_rivals() -> None:
    rng = np.random.default_rng(4)
    result = bootstrap_ci({"a": rivals(rng, [0.3] * 31, 2000), "b": rivals(rng, [0.1] * 31, 2000)}, draws=300)
    assert result.differences["a", "b"].low > 0.0
    assert result.ranks["a"][0] > 0.99


def test_few_contenders_bound_as_one_and_many_as_all_at_once() -> None:
    noise = np.random.default_rng(0).standard_normal((40, 20_000))
    errors = np.ones(40)
    assert critical(noise[:1], errors[:1], 0.95, 10**6) == pytest.approx(1.96, abs=0.03)
    assert critical(noise, errors, 0.95, 10**6) == pytest.approx(3.22, abs=0.06)  # 0.975 ** (1 / 40)
    assert critical(noise, errors, 0.95, 10) > 1.1 * critical(noise, errors, 0.95, 10**6)
    assert critical(noise, np.zeros(40), 0.95, 10**6) == pytest.approx(1.96, abs=0.01)


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
