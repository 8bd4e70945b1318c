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
@pytest.mark.parametrize(("count", "correlation"), [(1, 0.0), (32, 0.98)])
def test_the_interval_of_tied_candidates_covers_however_far_n_outgrows_the_records(
    count: int, correlation: float, ratio: float
) -> None:
    n, rng, reps = int(ratio * POINTS), np.random.default_rng(7), 30
    truth = of_law(correlated(rng, count, correlation, 0.0, 20000), np.zeros(count + 1), n)
    results = [leakage(correlated(rng, count, correlation, 0.0, POINTS), n=n, seed=i) for i in range(reps)]
    # The records' own spreads move a tie's leakage by a percent or two.
    held = sum(one.logs[1] - 0.03 <= truth <= one.logs[2] + 0.03 for one in results)
    print(f"{count} rivals, n/N {ratio}: {held} of {reps} intervals hold {math.exp(truth):.3g}")
    assert held >= 25  # fewer have a chance below 1% at 95%


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
