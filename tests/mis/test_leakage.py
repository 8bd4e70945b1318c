"""The leakage with an interval: one formula from ties to tails, and coverage where n outgrows the records."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.errors import InputError
from harness.mis import leakage, local_log_delta, saddle_log_delta
from harness.mis._joint import joint_law
from harness.types import FloatArray

POINTS = 1000


def correlated(rng: np.random.Generator, count: int, correlation: float, gap: float, points: int) -> FloatArray:
    """The best candidate and `count` rivals whose losses are normal and correlated; `gap` in standard deviations."""
    common = rng.standard_normal(points)
    own = rng.standard_normal((count + 1, points))
    losses = math.sqrt(correlation) * common + math.sqrt(1.0 - correlation) * own
    losses[1:] += gap * math.sqrt(2.0 * (1.0 - correlation))
    return losses


def of_law(losses: FloatArray, gaps: FloatArray, n: int) -> float:
    law = joint_law(losses)
    normals = np.random.default_rng(1).standard_normal((65536, law.root.shape[1]))
    return law.log_delta(gaps, n=n, normals=normals)


@pytest.mark.parametrize("n", [50, 400, 2000, 20000])
def test_one_rival_leaks_what_its_saddle_point_says_from_ties_to_tails(n: int) -> None:
    x = np.random.default_rng(0).standard_normal(4000) + 0.1
    law = joint_law(np.stack([np.zeros(4000), x]))
    assert of_law(np.stack([np.zeros(4000), x]), law.means, n) == pytest.approx(saddle_log_delta(x, n=n), abs=0.05)


def test_many_correlated_rivals_have_no_jump_between_ties_and_tails() -> None:
    losses = correlated(np.random.default_rng(2), 32, 0.98, 0.1, 4000)
    law = joint_law(losses)
    sizes = [100, 150, 220, 300, 360, 500, 750, 1000]
    logs = [of_law(losses, law.means, n) for n in sizes]
    for n, value in zip(sizes[:5], logs[:5], strict=True):
        assert value == pytest.approx(local_log_delta(losses, n=n), abs=0.1)
    steps = np.diff(logs) / np.diff(sizes)
    assert (steps < 0.0).all()
    assert (np.abs(np.diff(steps)) < 0.5 * np.abs(steps[:-1])).all()


def test_ties_of_two_leak_as_their_closed_form_says() -> None:
    losses = np.random.default_rng(3).standard_normal((2, 20000))
    n = 5000
    assert of_law(losses, np.zeros(2), n) == pytest.approx(math.log(math.asin(1.0 / math.sqrt(n)) / math.pi), abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [0.25, 20.0])
@pytest.mark.parametrize(("count", "correlation", "gap"), [(1, 0.0, 0.0), (32, 0.98, 0.0), (32, 0.98, 0.05)])
def test_the_interval_covers_however_far_n_outgrows_the_records(
    count: int, correlation: float, gap: float, ratio: float
) -> None:
    n, rng, reps = int(ratio * POINTS), np.random.default_rng(7), 25
    losses = correlated(rng, count, correlation, gap, 20000)
    gaps = np.where(np.arange(count + 1) > 0, gap * math.sqrt(2.0 * (1.0 - correlation)), 0.0)
    truth = of_law(losses + (gaps - losses.mean(axis=1))[:, None], gaps, n)
    results = [leakage(correlated(rng, count, correlation, gap, POINTS), n=n, seed=i) for i in range(reps)]
    held = sum(one.logs[1] <= truth <= one.logs[2] for one in results)
    print(f"{count} rivals, gap {gap}, n/N {ratio}: {held} of {reps} intervals hold {math.exp(truth):.3g}")
    assert held >= 20  # fewer have a chance below 1% at 95%


@pytest.mark.parametrize(
    ("count", "correlation", "gaps"),
    [(1, 0.0, 0.1), (32, 0.98, 0.1), (32, 0.98, np.linspace(0.05, 0.3, 32)[:, None])],
    ids=["two", "correlated", "spread"],
)
def test_between_neighbouring_sizes_nothing_jumps_by_more_than_the_interval_is_wide(
    count: int, correlation: float, gaps: float | FloatArray
) -> None:
    losses = correlated(np.random.default_rng(8), count, correlation, 0.0, 4000)
    losses -= losses.mean(axis=1)[:, None]
    losses[1:] += gaps * math.sqrt(2.0 * (1.0 - correlation))
    r = 0.5 * float(np.min(gaps)) ** 2
    exponents = np.geomspace(0.5, 20.0, 10)
    found = [leakage(losses, n=round(float(n_r) / r)) for n_r in exponents]
    for n_r, before, after in zip(exponents, found, found[1:], strict=False):
        # Leakage falls like exp(-n r): what is left after that is a jump.
        jump = abs(after.logs[0] - before.logs[0] + (exponents[1] / exponents[0] - 1.0) * n_r)
        assert jump < min(before.logs[2] - before.logs[1], after.logs[2] - after.logs[1]), n_r
    values = [one.logs[0] for one in found]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("n", [10**9, 10**30])
@pytest.mark.parametrize("gap", [0.0, 0.2])
def test_no_size_makes_a_few_records_claim_safety(n: int, gap: float) -> None:
    result = leakage(correlated(np.random.default_rng(9), 6, 0.5, gap, 200), n=n)
    assert result.status == "unresolved"
    assert result.mis is None
    assert all(math.isfinite(one) for one in result.logs)
    assert result.logs[2] > math.log(0.1 / math.sqrt(n))  # nearly as much as a tie leaks
    assert result.needed_records is not None
    assert result.needed_records >= 0.96 * n


def test_the_planner_says_how_many_records_tell_a_gap_from_a_tie() -> None:
    losses = correlated(np.random.default_rng(10), 1, 0.0, 0.0, POINTS)
    assert leakage(losses, n=50_000).needed_records == 48_000
    assert leakage(losses, n=POINTS).needed_records is None


def test_a_rival_that_no_record_prefers_leaves_room_for_records_that_nobody_drew() -> None:
    x = np.abs(np.random.default_rng(11).standard_normal(400)) + 0.01
    result = leakage(np.stack([np.zeros(400), x]), n=1000)
    assert result.status == "unresolved"
    # A share of 3.7 / 400 of the records may prefer it; the tie that they decide leaks so much.
    assert result.delta.high == pytest.approx(math.sqrt(2.0 * 3.689 / 400 / (math.pi * 1000)), rel=1e-3)


@pytest.mark.parametrize("points", [4, 12, 29])
def test_with_fewer_than_thirty_records_there_is_no_number(points: int) -> None:
    result = leakage(correlated(np.random.default_rng(12), 3, 0.0, 0.1, points), n=100)
    assert (result.status, result.needed_records) == ("too_few_records", 96)
    assert math.isnan(result.delta.value)
    assert leakage(correlated(np.random.default_rng(12), 3, 0.0, 0.1, points), n=10).needed_records == 30


def test_records_of_one_source_count_once() -> None:
    losses = correlated(np.random.default_rng(13), 4, 0.5, 0.1, 200)
    twice = np.repeat(losses, 2, axis=1)
    once, clustered, naive = (
        leakage(losses, n=200),
        leakage(twice, n=200, clusters=np.repeat(np.arange(200), 2)),
        leakage(twice, n=200),
    )
    widths = [one.logs[2] - one.logs[1] for one in (once, clustered, naive)]
    assert widths[1] == pytest.approx(widths[0], rel=0.25)
    assert widths[2] < 0.85 * widths[1]
    assert clustered.delta.n == 200


def test_a_joint_law_of_128_candidates_has_an_answer() -> None:
    losses = np.random.default_rng(14).standard_normal((128, 400))
    result = leakage(losses.astype(np.float32), n=400)
    assert result.delta.low < result.delta.value <= result.delta.high
    assert result.logs == pytest.approx(leakage(losses, n=400).logs, abs=1e-3)


def test_a_wide_interval_is_no_answer_and_says_so() -> None:
    losses = correlated(np.random.default_rng(4), 1, 0.0, 0.05, POINTS)
    few, many = leakage(losses, n=100), leakage(losses, n=50 * POINTS)
    assert few.status == "ok"
    assert many.status == "unresolved"
    assert many.delta.high > 100 * max(many.delta.low, 1e-300)


@pytest.mark.parametrize("losses", [np.zeros((1, 50)), np.ones((3, 50)), np.tile(np.arange(50.0), (4, 1))])
def test_where_nothing_was_probed_there_is_no_number(losses: FloatArray) -> None:
    result = leakage(losses, n=1000)
    assert result.status == "single_candidate"
    assert not result.delta.resolvable
    assert math.isnan(result.delta.value)
    assert (result.delta.low, result.delta.high) == (0.0, 1.0)


def test_the_same_seed_gives_the_same_bits() -> None:
    losses = correlated(np.random.default_rng(5), 8, 0.5, 0.05, 300)
    assert leakage(losses, n=500, seed=3) == leakage(losses, n=500, seed=3)


@pytest.mark.parametrize(("options", "message"), [({"n": 1}, "n=1"), ({"n": 10, "level": 1.0}, "level=1.0")])
def test_sizes_and_levels_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        leakage(np.eye(2, 50), **options)  # type: ignore[arg-type]
