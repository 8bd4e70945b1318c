"""The curve's counts, its input checks, and the names that the package exports."""

from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness.stats
from harness.errors import InputError
from harness.stats import auc, auc_difference, best_threshold, null_calibration, roc, tpr_at_fpr
from harness.types import FloatArray

from .populations import Scored, scored


@given(scored())
def test_counts_are_those_of_the_definition(data: Scored) -> None:
    scores, membership = data
    curve = roc(scores, membership)
    assert curve.thresholds[0] == np.inf
    assert list(curve.thresholds[1:]) == sorted(set(scores), reverse=True)
    for threshold, tp, fp in zip(curve.thresholds, curve.tp, curve.fp, strict=True):
        assert tp == ((scores >= threshold) & (membership == 1)).sum()
        assert fp == ((scores >= threshold) & (membership == 0)).sum()
    assert (curve.tpr[-1], curve.fpr[-1]) == (1.0, 1.0)
    assert curve.n == curve.n_members + curve.n_nonmembers == len(scores)


@given(scored(), st.floats(-15, 15))
def test_any_threshold_has_its_point_on_the_curve(data: Scored, threshold: float) -> None:
    scores, membership = data
    curve = roc(scores, membership)
    at = curve.index_of(threshold)
    assert curve.tp[at] == ((scores >= threshold) & (membership == 1)).sum()
    assert curve.fp[at] == ((scores >= threshold) & (membership == 0)).sum()


def test_infinite_thresholds_are_the_ends_of_the_curve() -> None:
    curve = roc([1.0, 2.0], [0, 1])
    assert curve.index_of(np.inf) == 0
    assert curve.index_of(-np.inf) == len(curve) - 1


@given(scored(), st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(data: Scored, random: Random) -> None:
    scores, membership = data
    rows = list(range(len(scores)))
    random.shuffle(rows)
    curve, other = roc(scores, membership), roc(scores[rows], membership[rows])
    for field in ("thresholds", "tp", "fp"):
        np.testing.assert_array_equal(getattr(curve, field), getattr(other, field))


# Strictly monotone over the integers that are drawn, in floating point too.
MONOTONE = (lambda s: np.arctan(s) * 7 - 3, np.exp, np.cbrt, lambda s: s**3 + s, lambda s: 1e-9 * s, np.arcsinh)


@given(scored(), st.sampled_from(MONOTONE))
def test_monotone_transforms_change_only_the_thresholds(
    data: Scored, transform: Callable[[FloatArray], FloatArray]
) -> None:
    scores, membership = data
    curve, other = roc(scores, membership), roc(transform(scores), membership)
    np.testing.assert_array_equal(curve.tp, other.tp)
    np.testing.assert_array_equal(curve.fp, other.fp)
    assert auc(curve) == auc(other)
    assert tpr_at_fpr(curve, 0.3).to_json() == tpr_at_fpr(other, 0.3).to_json() | {
        "threshold": tpr_at_fpr(curve, 0.3).to_json()["threshold"]
    }


@pytest.mark.parametrize(
    ("scores", "membership", "names"),
    [
        ([0.1, np.nan, 0.2], [0, 1, 1], "scores: row 1 is nan"),
        ([0.1, 0.3, -np.inf], [0, 1, 1], "scores: row 2 is -inf"),
        ([0.1, 0.2], [0, 1, 1], r"membership: shape \(3,\) for 2 scores"),
        ([0.1, 0.2], [1, 1], "there are no non-members"),
        ([0.1, 0.2], [0, 0], "there are no members"),
        ([0.1, 0.2], [0, 2], "values other than 0 and 1"),
        ([0.1, 0.2], [0.0, np.nan], "values other than 0 and 1"),
        ([[0.1], [0.2]], [0, 1], r"scores: shape \(2, 1\)"),
        ([], [], "scores: there are none"),
    ],
)
def test_unusable_scores_and_memberships_are_refused_by_name(
    scores: list[float], membership: list[float], names: str
) -> None:
    for function in (roc, auc, best_threshold, lambda s, y: tpr_at_fpr(s, 0.1, y)):
        with pytest.raises(InputError, match=names):
            function(scores, membership)
    with pytest.raises(InputError, match=names.removeprefix("scores: ").removeprefix(r"membership: shape \(3,\)")):
        null_calibration({"a": scores}, membership)


def test_a_bad_second_scoring_is_refused_by_its_name() -> None:
    with pytest.raises(InputError, match="scores_b: row 0 is nan"):
        auc_difference([1.0, 2.0], [np.nan, 1.0], [0, 1])
    with pytest.raises(InputError, match="scores_b: 3 entries for 2"):
        auc_difference([1.0, 2.0], [0.0, 1.0, 2.0], [0, 1])


def test_scores_without_membership_and_a_curve_with_membership_are_refused() -> None:
    with pytest.raises(InputError, match="membership: missing"):
        auc([1.0, 2.0])
    with pytest.raises(InputError, match="holds it already"):
        auc(roc([1.0, 2.0], [0, 1]), [0, 1])


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, float("nan")])
def test_a_level_outside_zero_and_one_is_refused(level: float) -> None:
    with pytest.raises(InputError, match="level"):
        auc([1.0, 2.0, 3.0, 2.5], [0, 1, 1, 0], level=level)


def test_the_package_exports_exactly_its_public_names() -> None:
    assert sorted(harness.stats.__all__) == harness.stats.__all__
    assert set(harness.stats.__all__) == {name for name in vars(harness.stats) if not name.startswith("_")}
