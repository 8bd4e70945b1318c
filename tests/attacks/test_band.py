"""The band: a model's answer given the expected one, for members and non-members, and the attack built on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from harness import attacks, stats
from harness.attacks._band import Band
from harness.attacks._band_ratio import fit_bands, fit_joint_bands, soft_clip
from harness.attacks._cache import Cache
from harness.attacks._expectation import expectation, within_variance
from harness.attacks._lira import Lira
from harness.errors import InputError, UnresolvedError
from harness.types import Observations
from tests.attacks.gaussian_models import audit, one_band
from tests.attacks.simulated import membership_of

Rows = NDArray[np.float64]


def auc(scores: Rows, observations: Observations) -> float:
    return stats.auc(stats.roc(scores, membership_of(observations))).value


def log_density(x: Rows, mean: Rows | float, spread: Rows | float) -> Rows:
    return np.asarray(-0.5 * ((x - mean) / spread) ** 2 - np.log(spread))


def test_with_constant_bands_the_ratio_is_the_exact_one() -> None:
    rng = np.random.default_rng(1)
    member = rng.integers(0, 2, 40_000)
    expected = rng.normal(3.0, 2.0, len(member))
    x = np.where(member == 1, rng.normal(2.0, 0.5, len(member)), rng.normal(1.0, 1.0, len(member)))
    exact = log_density(x, 2.0, 0.5) - log_density(x, 1.0, 1.0)
    ratio = fit_bands(x, expected, member).log_ratio(x, expected)
    assert float(np.abs(ratio - exact).mean()) < 0.03
    assert float(np.corrcoef(ratio, exact)[0, 1]) > 0.999


def test_bands_follow_mean_and_spread_along_the_expected_answer() -> None:
    rng = np.random.default_rng(2)
    member = rng.integers(0, 2, 40_000)
    expected = rng.uniform(-2.0, 2.0, len(member))
    mean = np.where(member == 1, 4.0 + 0.3 * expected**2, expected)
    log_spread = np.where(member == 1, -0.5 + 0.2 * expected, 0.0)
    x = mean + np.exp(log_spread) * rng.normal(size=len(member))
    out, log_out, inside, log_inside = fit_bands(x, expected, member).residuals(x, expected)
    residual, fitted = np.where(member == 1, inside, out), np.where(member == 1, log_inside, log_out)
    assert float(np.abs(fitted - log_spread).max()) < 0.05
    np.testing.assert_allclose(residual, (x - mean) / np.exp(log_spread), atol=0.25)
    assert float(np.abs(residual - (x - mean) / np.exp(log_spread)).mean()) < 0.02


def test_adding_a_constant_to_all_answers_changes_no_ratio() -> None:
    rng = np.random.default_rng(3)
    member = rng.integers(0, 2, 2000)
    expected = rng.normal(0.0, 1.0, 2000)
    x = expected + member * 2.0 + rng.normal(size=2000)
    there = fit_bands(x, expected, member).log_ratio(x, expected)
    here = fit_bands(x + 5.0, expected + 5.0, member).log_ratio(x + 5.0, expected + 5.0)
    np.testing.assert_allclose(there, here, atol=1e-6)


def test_the_joint_band_of_two_independent_variants_adds_their_ratios() -> None:
    rng = np.random.default_rng(4)
    member = rng.integers(0, 2, 40_000)
    expected = rng.normal(0.0, 1.0, (2, len(member)))
    x = expected + member + rng.normal(size=(2, len(member)))
    bands = tuple(fit_bands(own, mean, member) for own, mean in zip(x, expected, strict=True))
    joint = fit_joint_bands(bands, x, expected, member).log_ratio(x, expected)
    separate = np.sum([b.log_ratio(own, mean) for b, own, mean in zip(bands, x, expected, strict=True)], axis=0)
    assert float(np.abs(joint - separate).mean()) < 0.05


def test_the_joint_band_of_a_variant_and_its_copy_is_finite() -> None:
    rng = np.random.default_rng(5)
    member = rng.integers(0, 2, 1000)
    expected = rng.normal(0.0, 1.0, 1000)
    x = expected + member + rng.normal(size=1000)
    bands = fit_bands(x, expected, member)
    twice = fit_joint_bands((bands, bands), np.stack([x, x]), np.stack([expected, expected]), member)
    assert np.isfinite(twice.log_ratio(np.stack([x, x]), np.stack([expected, expected]))).all()


def test_soft_clipping_keeps_the_order_and_small_values() -> None:
    values = np.linspace(-1e6, 1e6, 10_001)
    clipped = soft_clip(values, 12.0)
    assert bool((np.diff(clipped) > 0).all())
    np.testing.assert_array_equal(soft_clip(np.array([-12.0, 0.0, 11.0]), 12.0), [-12.0, 0.0, 11.0])
    assert float(np.abs(clipped).max()) < 30.0


def test_variance_within_records_counts_the_used_answers_alone() -> None:
    answers = np.array([[1.0, 5.0, 2.0], [3.0, 9.0, 2.0], [100.0, 100.0, 2.0]])
    used = np.array([[True, True, True], [True, False, True], [False, False, True]])
    assert within_variance(answers, used) == pytest.approx(2.0 / 3.0)
    assert np.isnan(within_variance(answers, np.eye(3, dtype=np.bool_)))


@pytest.mark.parametrize("references", [1, 2, 8])
def test_standardised_answers_of_outside_models_have_mean_zero_and_deviation_one(references: int) -> None:
    rng = np.random.default_rng(references)
    difficulty = rng.normal(2.0, 1.5, 40_000)
    x = difficulty + rng.normal(0.0, 0.8, (references + 1, len(difficulty)))
    variance = within_variance(x[:, :2000], np.ones((references + 1, 2000), dtype=np.bool_))
    outside = expectation(x[1:], np.ones((references, len(difficulty)), dtype=np.bool_), variance)
    z = (x[0] - outside.mean) / outside.spread
    assert abs(float(z.mean())) < 0.03
    assert abs(float(z.std()) - 1.0) < 0.03


def test_records_with_different_numbers_of_references_are_standardised_alike() -> None:
    rng = np.random.default_rng(0)
    difficulty = rng.normal(2.0, 1.5, 40_000)
    x = difficulty + rng.normal(0.0, 0.8, (5, len(difficulty)))
    out = rng.random((4, len(difficulty))) < 0.5
    outside = expectation(x[1:], out, 0.64)
    z = (x[0] - outside.mean) / outside.spread
    for count in (1, 2, 3, 4):
        chosen = z[out.sum(axis=0) == count]
        assert abs(float(chosen.mean())) < 0.05
        assert abs(float(chosen.std()) - 1.0) < 0.05


def test_members_answered_more_closely_around_the_same_mean_are_seen_by_the_band_alone() -> None:
    """One side is enough for LiRA where members lie above; here they lie in the middle."""

    def answers(rng: np.random.Generator, difficulty: Rows, member: NDArray[np.int64]) -> dict[str, Rows]:
        spread = np.where(member == 1, 0.2, 1.5)
        return {"original": difficulty + spread * rng.normal(size=len(difficulty))}

    target, shadows = audit(answers, shadows=4, n=2000, seed=3)
    assert auc(Band(["original"]).fit(shadows).score(target), target) > 0.6
    assert auc(Lira(["original"]).fit(shadows).score(target), target) == pytest.approx(0.5, abs=0.04)


def test_the_band_finds_more_members_than_lira_where_they_fill_a_band_of_confidences() -> None:
    target, shadows = audit(one_band(), n=2000, seed=4)
    attack = Band(["original"]).fit(shadows)
    difference = auc(attack.score(target), target) - auc(Lira(["original"]).fit(shadows).score(target), target)
    assert difference > 0.05
    assert attack.shadow_auc == pytest.approx(auc(attack.score(target), target), abs=0.05)


def test_scores_are_finite_and_without_ties() -> None:
    target, shadows = audit(one_band(inside=0.01), n_shadow=800, seed=5)
    scores = Band(["original"]).fit(shadows).score(target)
    assert np.isfinite(scores).all()
    assert len(np.unique(scores)) == len(scores)


def test_equal_answers_of_all_models_are_scored_finitely() -> None:
    def answers(_: np.random.Generator, difficulty: Rows, __: NDArray[np.int64]) -> dict[str, Rows]:
        return {"original": difficulty}

    target, shadows = audit(answers, n_shadow=400, seed=6)
    assert np.isfinite(Band(["original"]).fit(shadows).score(target)).all()


def test_without_a_population_the_variance_comes_from_the_shadows() -> None:
    target, shadows = audit(one_band(), n_shadow=800, seed=7)
    bare, bare_shadows = audit(one_band(), n_shadow=800, seed=7, population=False)
    there = Band(["original"]).fit(shadows).score(target)
    here = Band(["original"]).fit(bare_shadows).score(bare)
    assert auc(here, bare) == pytest.approx(auc(there, target), abs=0.01)


@pytest.mark.parametrize("population", [True, False])
def test_the_targets_membership_changes_no_bit_of_a_score(population: bool) -> None:
    target, shadows = audit(one_band(), n=300, n_shadow=800, seed=8, population=population)
    unknown = replace(target, membership=None)
    scores = [Band(["original"], cache=Cache(one)).fit(shadows).score(one) for one in (target, unknown)]
    np.testing.assert_array_equal(scores[0], scores[1])


@pytest.mark.slow
def test_references_trained_on_the_records_do_not_harm() -> None:
    """They are used where the target is known in advance: shadows have some even where the target has none."""
    target, shadows = audit(one_band(level=3.0), shadows=6, n=800, seed=9, online=True)
    outside = np.asarray(target.reference_membership) == 0
    target = target.take(np.flatnonzero(outside.any(axis=0) & ~outside.all(axis=0)))
    online = Band(["original"], cache=Cache(target)).fit(shadows).score(target)
    offline = Band(["original"]).fit(shadows).score(target)
    assert auc(online, target) > auc(offline, target) - 0.005


@pytest.mark.slow
def test_redrawn_memberships_give_one_half() -> None:
    """Whose membership no model ever saw cannot be found, whichever features the trees are offered."""
    aucs = []
    for seed in range(8):
        target, shadows = audit(one_band(), n=600, n_shadow=600, seed=seed)
        rng = np.random.default_rng(seed)
        drawn = [replace(s, membership=rng.integers(0, 2, len(s))) for s in (target, *shadows)]
        aucs.append(auc(Band(["original"]).fit(drawn[1:]).score(drawn[0]), drawn[0]))
    assert float(np.mean(aucs)) == pytest.approx(0.5, abs=0.025)


def test_one_shadow_is_refused_with_what_is_needed() -> None:
    target, shadows = audit(one_band(), shadows=1)
    with pytest.raises(InputError, match=r"references of their own.*at least two shadow models"):
        Band(["original"]).fit(shadows)
    results = attacks.evaluate(target, shadows, attacks=["band", "lira"])
    assert [(s.view.attack, "at least two shadow models" in s.reason) for s in results.skipped] == [("band", True)]


def test_a_target_without_shadows_and_references_is_skipped() -> None:
    target, _ = audit(one_band(), n=300)
    bare = replace(target, references=(), population=None)
    assert {s.view.attack for s in attacks.evaluate(bare, [], attacks=["band", "confidence"]).skipped} == {"band"}


def test_without_shadows_the_band_is_fitted_across_the_targets_records() -> None:
    target, _ = audit(one_band(), n=700)
    results = attacks.evaluate(target, [], attacks=["band", "lira"]).results
    by_name = {r.view.attack: r.auc.value for r in results}
    assert by_name["band"] > by_name["lira"] + 0.03


def test_too_few_usable_records_are_refused() -> None:
    _, shadows = audit(one_band(), n_shadow=60)
    with pytest.raises(UnresolvedError, match="needs at least 20"):
        Band(["original"]).fit(shadows)


def test_a_record_inside_every_reference_is_refused() -> None:
    target, shadows = audit(one_band(), online=True, n_shadow=10)
    with pytest.raises(InputError, match="in every reference's training set"):
        Band(["original"]).fit(shadows).score(target)
