"""Many correlated figures: the level at which all of their intervals hold at once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from harness.stats import auc, covariance_of, placements_per_record, sample, simultaneous
from harness.stats._simultaneous import MAX_RECORDS, normal_draws
from harness.types import FloatArray


def equally_correlated(figures: int, correlation: float) -> FloatArray:
    matrix = np.full((figures, figures), correlation)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def test_one_figure_needs_no_correction() -> None:
    one = simultaneous(np.eye(1), records=100)
    assert one.pointwise == 0.95
    assert one.z == one.bonferroni_z == pytest.approx(1.96, abs=1e-3)


def test_independent_figures_need_sidaks_quantile() -> None:
    found = simultaneous(np.eye(20), records=10**9)
    assert found.z == pytest.approx(float(-ndtri((1.0 - 0.95 ** (1 / 20)) / 2)), abs=0.04)
    assert found.figures == 20


def test_figures_that_are_one_and_the_same_need_no_correction() -> None:
    found = simultaneous(equally_correlated(50, 1.0), records=10**9)
    assert found.z == pytest.approx(1.96, abs=0.04)
    assert found.gain > 0.4


def test_the_quantile_lies_between_one_figures_and_bonferronis() -> None:
    z = [simultaneous(equally_correlated(70, r), records=10**9).z for r in (0.0, 0.5, 0.8, 0.95)]
    assert z == sorted(z, reverse=True)
    assert 1.96 < z[-1] < z[0] <= simultaneous(np.eye(70), records=10**9).bonferroni_z


def test_few_records_are_trusted_less_than_many() -> None:
    covariance = equally_correlated(40, 0.3)
    assert simultaneous(covariance, records=25).z > simultaneous(covariance, records=10**6).z


def test_a_figure_without_variance_is_treated_as_independent() -> None:
    covariance = np.zeros((3, 3))
    covariance[0, 0] = 1.0
    assert simultaneous(covariance, records=100).z == pytest.approx(simultaneous(np.eye(3), records=100).z)


def test_draws_have_the_covariance_that_they_were_asked_for() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(6, 3))  # rank 3 of 6: several attacks may give one score
    drawn = normal_draws(root @ root.T, 200_000, seed=1)
    np.testing.assert_allclose(drawn.T @ drawn / len(drawn), root @ root.T, atol=0.05)


def test_the_covariance_of_aucs_is_delongs() -> None:
    rng = np.random.default_rng(3)
    member = np.arange(300) % 3 == 0
    scores = rng.normal(size=(300, 4)) + 0.8 * member[:, None]
    columns = np.column_stack([placements_per_record(column, member) for column in scores.T])
    covariance = covariance_of(columns, member, counts=(int(member.sum()), int((~member).sum())))
    expected = sum(np.cov(columns[side].T) / side.sum() for side in (member, ~member))
    np.testing.assert_allclose(covariance, expected, rtol=1e-12)


def test_the_sample_takes_all_of_few_records_and_some_of_many() -> None:
    member = np.zeros(2 * MAX_RECORDS + 50, dtype=bool)
    member[:50] = True
    rows = sample(member, seed=0)
    assert member[rows].sum() == 50
    assert (~member[rows]).sum() == MAX_RECORDS
    assert (np.diff(rows) > 0).all()


@pytest.mark.slow
@pytest.mark.parametrize(("m", "n"), [(50, 50), (200, 200), (100, 1000)])
def test_all_intervals_of_correlated_aucs_hold_at_once_in_95_percent_of_audits(m: int, n: int) -> None:
    """40 attacks that share one signal, no leakage."""
    audits, rng, missed, gains = 400, np.random.default_rng(5), 0, []
    member = np.arange(m + n) < m
    mixing = rng.uniform(0.5, 2.0, size=40)
    for _ in range(audits):
        scores = rng.normal(size=(m + n, 1)) * mixing + rng.normal(size=(m + n, 40))
        columns = np.column_stack([placements_per_record(column, member) for column in scores.T])
        covariance = covariance_of(columns, member, counts=(m, n))
        found = simultaneous(covariance, records=min(m, n))
        intervals = (auc(column, member, level=found.pointwise) for column in scores.T)
        missed += any(not interval.holds(0.5) for interval in intervals)
        gains.append(found.gain)
    print(f"\n{m}+{n}: {missed / audits:.1%} miss, {np.mean(gains):.1%} shorter than Bonferroni's")
    assert missed / audits <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / audits)
    assert np.mean(gains) > 0.02
