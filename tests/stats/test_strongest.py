"""The strongest of some attacks against the strongest of others: the choice is part of the estimate."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats import StrongestDifference, covariance_of, placements_per_record, strongest_differences
from harness.types import FloatArray


def difference_of(scores: FloatArray, member: FloatArray, first: list[int], second: list[int]) -> StrongestDifference:
    is_member = member == 1
    columns = np.column_stack([placements_per_record(column, is_member) for column in scores.T])
    covariance = covariance_of(columns, is_member, counts=(int(is_member.sum()), int((~is_member).sum())))
    (found,) = strongest_differences(
        columns[is_member].mean(axis=0), covariance, [(first, second)], n=len(member), pairs=int(is_member.sum())
    )
    return found


def test_both_sides_name_their_strongest() -> None:
    rng = np.random.default_rng(0)
    member = (np.arange(600) % 2).astype(np.float64)
    scores = rng.normal(size=(600, 4)) + member[:, None] * [0.2, 1.0, 0.1, 0.5]
    found = difference_of(scores, member, [0, 1], [2, 3])
    assert (found.first, found.second) == (1, 3)
    assert found.estimate(0.95).low > 0.0
    assert found.estimate(0.999).low < found.estimate(0.95).low


def test_a_copy_of_the_scores_is_no_increase() -> None:
    rng = np.random.default_rng(1)
    member = (np.arange(200) % 2).astype(np.float64)
    one = rng.normal(size=(200, 1)) + member[:, None]
    found = difference_of(np.hstack([one, one]), member, [0], [1])
    assert found.value == 0.0
    assert found.estimate(0.95).holds(0.0)
    assert found.estimate(0.95).high < 0.1


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_seed_gives_the_same_interval(seed: int) -> None:
    rng = np.random.default_rng(seed)
    member = (np.arange(100) % 2).astype(np.float64)
    scores = rng.normal(size=(100, 3))
    one, other = (difference_of(scores, member, [0, 1], [2]).estimate(0.999) for _ in range(2))
    assert one == other


@pytest.mark.slow
@pytest.mark.parametrize(("m", "n"), [(50, 50), (100, 1000), (400, 400)])
@pytest.mark.parametrize("leak", [0.0, 0.8])
def test_many_attacks_against_one_are_no_increase_where_all_are_equally_strong(m: int, n: int, leak: float) -> None:
    """Twelve attacks against one: without the choice inside the bootstrap .15 to .35 of these intervals miss zero."""
    audits, rng, missed, without = 300, np.random.default_rng(7), 0, 0
    member = (np.arange(m + n) < m).astype(np.float64)
    for _ in range(audits):
        shared = rng.normal(size=(m + n, 1))
        scores = shared + rng.normal(size=(m + n, 13)) + leak * member[:, None]
        found = difference_of(scores, member, list(range(12)), [12])
        missed += not found.estimate(0.95).holds(0.0)
        plain = difference_of(scores[:, [found.first, 12]], member, [0], [1])
        without += not plain.estimate(0.95).holds(0.0)
    print(
        f"\n{m}+{n}, leak {leak}: {missed / audits:.1%} miss, {without / audits:.1%} where the choice is not repeated"
    )
    assert missed / audits <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / audits)
    assert without > 2 * missed
