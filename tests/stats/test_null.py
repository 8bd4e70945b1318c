"""Null calibration: the permuted intervals are those of `auc`, and its p-values hold their level."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InputError
from harness.stats import auc, null_calibration, pool_null
from harness.stats._intervals import two_sided_z
from harness.stats._null import _pivots
from harness.types import FloatArray, IntArray

from .populations import WEAK, Scored, scored


def family(
    rng: np.random.Generator, attacks: int, n: int, *, leak: float = 0.0, share: float = 0.7
) -> tuple[dict[str, FloatArray], IntArray]:
    """Correlated scores of ``attacks`` attacks on the same n members and n non-members."""
    membership = np.repeat([1, 0], n)
    common = rng.normal(size=2 * n)
    noise = rng.normal(size=(attacks, 2 * n))
    scores = np.sqrt(share) * common + np.sqrt(1 - share) * noise + leak * membership
    return {f"attack-{i}": row for i, row in enumerate(scores)}, membership


@settings(max_examples=50)
@given(scored(max_side=12), st.integers(0, 2**32 - 1), st.sampled_from([1.0, 2.0]))
def test_pivots_are_those_of_auc(data: Scored, seed: int, design_effect: float) -> None:
    scores, membership = data
    rng = np.random.default_rng(seed)
    shuffled = np.array([rng.permutation(membership) for _ in range(8)]).astype(bool)
    effects = [design_effect] + 7 * [1.0]
    for pivot, labels, effect in zip(_pivots(scores, shuffled, design_effect), shuffled, effects, strict=True):
        for level in (0.5, 0.8, 0.95):
            if abs(abs(pivot) - two_sided_z(level)) > 1e-6:
                interval = auc(scores, labels, level=level, design_effect=effect)
                assert interval.holds(0.5) == (abs(pivot) <= two_sided_z(level))


@pytest.mark.parametrize("decimals", [0, 1, 15])
@pytest.mark.parametrize(("m", "n"), [(50, 50), (30, 701)])
def test_equal_memberships_have_equal_pivots_to_the_last_bit(m: int, n: int, decimals: int) -> None:
    rng = np.random.default_rng(9)
    scores = np.round(rng.normal(size=m + n), decimals)
    rows = np.array([rng.permutation(np.repeat([True, False], [m, n])) for _ in range(40)])
    pivots = _pivots(scores, np.concatenate((rows, rows[::-1])))
    np.testing.assert_array_equal(pivots[:40], pivots[:39:-1])
    # Exchanging tied records, or leaving out other rows, changes nothing either.
    order = rng.permutation(m + n)
    for at in (0, 17, 39):
        assert _pivots(scores[order], rows[at : at + 1, order])[0] == pivots[at]


def test_chunks_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, membership = family(np.random.default_rng(0), 4, 60)
    whole = null_calibration(scores, membership, permutations=50)
    monkeypatch.setattr("harness.stats._null.CHUNK", 1)
    single = null_calibration(scores, membership, permutations=50)
    np.testing.assert_array_equal(whole.null_misses, single.null_misses)
    np.testing.assert_allclose(whole.null_max_z, single.null_max_z, rtol=1e-12)


def test_scores_without_leakage_are_within_chance_and_leaking_scores_are_not() -> None:
    rng = np.random.default_rng(1)
    quiet = null_calibration(*family(rng, 20, 300))
    assert quiet.holds
    assert quiet.p_value > 0.05
    assert quiet.max_z_p_value > 0.05
    assert quiet.miss_share <= quiet.null_quantile
    loud = null_calibration(*family(rng, 20, 300, leak=0.5))
    assert not loud.holds
    assert loud.misses == 20
    assert loud.max_z_p_value == 1 / 501  # the smallest that 500 permutations can give
    assert loud.p_value < 0.01


def test_auc_at_the_simultaneous_level_agrees_with_the_critical_z() -> None:
    scores, membership = family(np.random.default_rng(2), 10, 200, leak=0.15)
    calibration = null_calibration(scores, membership)
    assert calibration.critical_z > two_sided_z(0.95)
    for z, values in zip(calibration.z, scores.values(), strict=True):
        interval = auc(values, membership, level=calibration.simultaneous_level)
        assert interval.holds(0.5) == (abs(z) <= calibration.critical_z)


def test_a_design_effect_divides_the_squared_z_of_the_membership_but_not_of_its_permutations() -> None:
    scores, membership = family(np.random.default_rng(2), 3, 200, leak=0.15)
    plain = null_calibration(scores, membership)
    wider = null_calibration(scores, membership, design_effects={"attack-1": 2.0})
    np.testing.assert_array_equal(plain.null_max_z, wider.null_max_z)
    np.testing.assert_array_equal(plain.null_misses, wider.null_misses)
    assert wider.z[[0, 2]].tolist() == plain.z[[0, 2]].tolist()
    assert wider.z[1] == pytest.approx(plain.z[1] / np.sqrt(2), rel=0.01)
    interval = auc(scores["attack-1"], membership, level=wider.simultaneous_level, design_effect=2.0)
    assert interval.holds(0.5) == (abs(wider.z[1]) <= wider.critical_z)


def test_copies_of_one_attack_leave_the_critical_z_as_it_is() -> None:
    scores, membership = WEAK[0].draw(300, 300, np.random.default_rng(3))
    one = null_calibration({"a": scores}, membership)
    many = null_calibration({f"a{i}": scores for i in range(30)}, membership)
    assert many.critical_z == one.critical_z
    assert many.null_quantile == 1.0  # they miss all together or not at all


def test_permutation_misses_are_near_nominal_for_one_attack() -> None:
    scores, membership = WEAK[1].draw(500, 500, np.random.default_rng(4))
    calibration = null_calibration({"a": scores}, membership, permutations=4000)
    assert calibration.null_share == pytest.approx(0.05, abs=0.012)


@pytest.mark.slow
def test_p_values_reject_in_at_most_five_percent_of_audits_without_leakage() -> None:
    rng = np.random.default_rng(5)
    audits = [null_calibration(*family(rng, 12, 100), permutations=199, seed=i) for i in range(400)]
    shares = {
        "more misses than chance (p <= .05)": np.mean([c.p_value <= 0.05 for c in audits]),
        "some simultaneous interval misses 0.5": np.mean([not c.holds for c in audits]),
        "strongest attack's family-wise p <= .05": np.mean([c.max_z_p_value <= 0.05 for c in audits]),
    }
    print(
        "\nno leakage, 400 audits of 12 attacks on 100 + 100 records; pointwise misses "
        f"{np.mean([c.miss_share for c in audits]):.1%}"
    )
    for what, share in shares.items():
        print(f"  {what}: {share:.1%}")
        assert share <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400), what
    pooled = pool_null(audits)
    print(
        f"  pooled: {pooled.miss_share:.1%} of {pooled.tests}, chance {pooled.null_share:.1%}, p {pooled.p_value:.2f}"
    )
    assert pooled.p_value > 0.01
    assert pooled.miss_share == pytest.approx(0.05, abs=0.015)


def test_pooled_audits_find_a_leak_that_single_audits_are_too_small_for() -> None:
    rng = np.random.default_rng(6)
    audits = [null_calibration(*family(rng, 8, 100, leak=0.12), permutations=199, seed=0) for _ in range(25)]
    pooled = pool_null(audits)
    assert np.median([c.p_value for c in audits]) > 0.05
    assert pooled.p_value < 0.01
    assert pooled.miss_share > pooled.null_quantile
    assert (pooled.audits, pooled.tests) == (25, 200)


def test_summaries_are_json() -> None:
    calibration = null_calibration(*family(np.random.default_rng(7), 3, 50), permutations=50)
    row = json.loads(json.dumps(calibration.to_json(), allow_nan=False))
    assert (row["attacks"], row["permutations"], row["n_members"]) == (3, 50, 50)
    assert json.loads(json.dumps(pool_null([calibration]).to_json(), allow_nan=False))["tests"] == 3


def test_equal_seeds_give_equal_permutations_and_other_seeds_others() -> None:
    scores, membership = family(np.random.default_rng(8), 3, 50)
    a, b, c = (null_calibration(scores, membership, seed=s, permutations=50).null_max_z for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_unusable_scores_counts_and_levels_are_refused_by_name() -> None:
    with pytest.raises(InputError, match="no attack"):
        null_calibration({}, [0, 1])
    with pytest.raises(InputError, match="scores/b: 3 entries"):
        null_calibration({"a": [1.0, 2.0], "b": [1.0, 2.0, 3.0]}, [0, 1])
    with pytest.raises(InputError, match="scores/a: row 1 is nan"):
        null_calibration({"a": [1.0, np.nan]}, [0, 1])
    with pytest.raises(InputError, match="permutations: 10"):
        null_calibration({"a": [1.0, 2.0]}, [0, 1], permutations=10)
    with pytest.raises(InputError, match="design_effects/b: no attack of that name"):
        null_calibration({"a": [1.0, 2.0]}, [0, 1], design_effects={"b": 2.0})
    with pytest.raises(InputError, match="design_effect: nan"):
        null_calibration({"a": [1.0, 2.0]}, [0, 1], design_effects={"a": np.nan})
    with pytest.raises(InputError, match="there are none"):
        pool_null([])
    a, b = (null_calibration({"a": [1.0, 2.0]}, [0, 1], level=level) for level in (0.9, 0.95))
    with pytest.raises(InputError, match="levels differ"):
        pool_null([a, b])
