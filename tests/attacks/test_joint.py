"""SR and MR with references: whoever sees more is not worse for it, and what adds nothing is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from harness import attacks, stats
from harness.attacks._band import Band
from harness.attacks._cache import Cache
from harness.attacks._mr_ref import MrReference
from harness.attacks._reference_attack import ReferenceAttack
from harness.attacks._reference_fits import FoldFits
from harness.attacks._reference_mix import Mix, fit_mix
from harness.attacks._reference_rows import VariantRows, target_rows
from harness.attacks._reference_score import SetScore
from harness.attacks._sr_ref import SrReference
from harness.types import Observations
from tests.attacks.gaussian_models import Answers, audit, one_band, with_second_model
from tests.attacks.simulated import membership_of

Rows = NDArray[np.float64]
PAIR = ("original", "int8")


def auc(scores: Rows, observations: Observations) -> float:
    return stats.auc(stats.roc(scores, membership_of(observations))).value


def with_variant(name: str, *, noise: float = 0.0, of_original: bool = True, shift: float = 0.0) -> Answers:
    """The original and one variant: its answers with noise of their own, or noise alone."""
    answers = one_band()

    def both(rng: np.random.Generator, difficulty: Rows, member: NDArray[np.int64]) -> Mapping[str, Rows]:
        original = answers(rng, difficulty, member)["original"]
        return {
            "original": original,
            name: original * of_original + noise * rng.normal(size=len(member)) + shift,
        }

    return both


def three_variants(rng: np.random.Generator, difficulty: Rows, member: NDArray[np.int64]) -> Mapping[str, Rows]:
    """The original, a variant that leaks anew about some records, a noisy one, and one of noise alone."""
    original = one_band()(rng, difficulty, member)["original"]
    pruned = 0.5 * original + 0.5 * one_band()(rng, difficulty, member)["original"]
    noise = rng.normal(size=(2, len(member)))
    return {"original": original, "prune-0.6": pruned, "int4": original + 0.5 * noise[0], "noise": noise[1]}


def scores_of(
    attack: type[ReferenceAttack],
    variants: Sequence[str],
    target: Observations,
    shadows: Sequence[Observations],
    cache: Cache | None = None,
) -> tuple[Rows, dict[str, str | float | int]]:
    fitted = attack(variants, cache=cache or Cache(target)).fit(shadows)
    return fitted.score(target), fitted.chosen


def without_variant(observations: Observations, variant: str) -> Observations:
    """The same observations without one variant, references and population included."""
    return replace(
        observations,
        logits={v: a for v, a in observations.logits.items() if v != variant},
        references=tuple(without_variant(r, variant) for r in observations.references),
        population=None if observations.population is None else without_variant(observations.population, variant),
    )


def test_a_copy_and_an_int8_file_with_equal_answers_add_nothing() -> None:
    target, shadows = audit(with_variant("int8"), n=600, n_shadow=1200, seed=1)
    alone, _ = scores_of(Band, ["original"], target, shadows)
    both, chosen = scores_of(SrReference, PAIR, target, shadows)
    np.testing.assert_array_equal(both, alone)
    assert chosen["stands"] == "original only"


def test_a_nearly_equal_variant_changes_no_figure() -> None:
    target, shadows = audit(with_variant("int8", noise=0.002), n=1000, n_shadow=1200, seed=2)
    alone, _ = scores_of(Band, ["original"], target, shadows)
    both, _ = scores_of(SrReference, PAIR, target, shadows)
    assert auc(both, target) == pytest.approx(auc(alone, target), abs=0.002)


@pytest.mark.slow
def test_noise_is_refused_for_most_seeds_and_never_resolved_as_a_loss() -> None:
    refused, differences = 0, []
    for seed in range(8):
        target, shadows = audit(with_variant("noise", noise=1.0, of_original=False), n=800, n_shadow=800, seed=seed)
        cache = Cache(target)
        alone, _ = scores_of(Band, ["original"], target, shadows, cache)
        both, chosen = scores_of(SrReference, ("original", "noise"), target, shadows, cache)
        refused += chosen["stands"] == "original only"
        differences.append(auc(both, target) - auc(alone, target))
    assert refused >= 6
    error = float(np.std(differences, ddof=1) / np.sqrt(len(differences)))
    assert float(np.mean(differences)) > -max(2.0 * error, 0.001)


def test_a_second_model_of_the_same_members_adds_clearly() -> None:
    target, shadows = audit(with_second_model(one_band(), "retrained"), n=1500, seed=3)
    alone, _ = scores_of(Band, ["original"], target, shadows)
    both, chosen = scores_of(SrReference, ("original", "retrained"), target, shadows)
    assert auc(both, target) > auc(alone, target) + 0.01
    assert chosen["stands"] == "original + retrained"


@pytest.mark.slow
def test_redrawn_memberships_give_one_half() -> None:
    aucs = []
    for seed in range(4):
        target, shadows = audit(three_variants, n=800, n_shadow=500, seed=seed)
        rng = np.random.default_rng(seed)
        drawn = [replace(one, membership=rng.integers(0, 2, len(one))) for one in (target, *shadows)]
        aucs.append(auc(scores_of(MrReference, target.variants, drawn[0], drawn[1:])[0], drawn[0]))
    assert float(np.mean(aucs)) == pytest.approx(0.5, abs=0.03)


@pytest.mark.slow
def test_the_widest_view_is_not_below_a_narrower_one_by_more_than_noise() -> None:
    """Five targets: all variants against the original, and against the pair that the shadows accept."""
    wide, pair, alone = [], [], []
    for seed in range(5):
        target, shadows = audit(three_variants, n=800, n_shadow=800, seed=10 + seed)
        cache = Cache(target)
        wide.append(auc(scores_of(MrReference, target.variants, target, shadows, cache)[0], target))
        pair.append(auc(scores_of(SrReference, ("original", "prune-0.6"), target, shadows, cache)[0], target))
        alone.append(auc(scores_of(Band, ["original"], target, shadows, cache)[0], target))
    for narrower in (pair, alone):
        difference = np.subtract(wide, narrower)
        assert float(difference.mean()) > -2.0 * float(difference.std(ddof=1)) / np.sqrt(len(difference)) - 1e-12
    assert float(np.mean(wide)) > float(np.mean(alone))


@pytest.mark.parametrize("attack", [SrReference, MrReference])
def test_the_targets_membership_changes_no_bit_of_a_score(attack: type[ReferenceAttack]) -> None:
    target, shadows = audit(three_variants, n=300, n_shadow=300, seed=4)
    variants = ("original", "prune-0.6") if attack is SrReference else target.variants
    turned = replace(target, membership=1 - membership_of(target))
    there, chosen = scores_of(attack, variants, target, shadows)
    here, chosen_here = scores_of(attack, variants, turned, shadows)
    np.testing.assert_array_equal(there, here)
    assert chosen == chosen_here


def test_the_order_of_records_and_of_compressed_variants_changes_no_ranking() -> None:
    target, shadows = audit(three_variants, n=300, n_shadow=400, seed=5)
    there, chosen = scores_of(MrReference, target.variants, target, shadows)
    rng = np.random.default_rng(0)
    mixed = [s.take(rng.permutation(len(s))) for s in shadows]
    rows = rng.permutation(len(target))
    here, chosen_here = scores_of(MrReference, ("original", "noise", "prune-0.6", "int4"), target.take(rows), mixed)
    np.testing.assert_allclose(here, there[rows], rtol=1e-6, atol=1e-6)
    assert chosen == chosen_here


def test_a_constant_shift_of_a_variant_changes_the_figures_little() -> None:
    """RMIA's ratio is of confidences, not of logits, so that the ranking is not exactly the same."""
    target, shadows = audit(with_variant("int8", noise=0.5), n=1000, n_shadow=1200, seed=6)
    shifted, shifted_shadows = audit(with_variant("int8", noise=0.5, shift=1.5), n=1000, n_shadow=1200, seed=6)
    there, _ = scores_of(SrReference, PAIR, target, shadows)
    here, _ = scores_of(SrReference, PAIR, shifted, shifted_shadows)
    assert auc(here, shifted) == pytest.approx(auc(there, target), abs=0.002)
    correlation, _ = spearmanr(there, here)
    assert correlation > 0.99


def test_no_fold_is_scored_by_a_fit_that_saw_its_memberships() -> None:
    """Turning all memberships of one fold changes nothing in that fold's fit, at any level."""
    _, shadows = audit(three_variants, n_shadow=600, seed=7)
    attack = SrReference(("original", "prune-0.6"))
    there, here = FoldFits(attack, tuple(shadows)), FoldFits(SrReference(attack.variants), tuple(shadows))
    here.membership = np.where(here.rows.fold == 2, 1 - here.membership, here.membership)
    one, other = SetScore(there, attack.variants), SetScore(here, attack.variants)
    np.testing.assert_array_equal(one._own_trees(there.rows)[2], other._own_trees(here.rows)[2])
    np.testing.assert_array_equal(one._joint(there.rows)[2], other._joint(here.rows)[2])
    assert not np.array_equal(one._own_trees(there.rows)[1], other._own_trees(here.rows)[1])
    for k, train in enumerate(there.train):
        assert not set(there.records[train]) & set(there.records[there.rows.fold == k])


def test_a_target_record_that_a_shadow_holds_is_scored_by_the_fit_without_it() -> None:
    target, shadows = audit(one_band(), shadows=4, n=600, online=True, seed=8)
    outside = (np.asarray(target.reference_membership) == 0).any(axis=0)
    target = target.take(np.flatnonzero(outside))
    fits = FoldFits(Band(["original"]), tuple(shadows))
    rows = target_rows(target, fits.rows)
    fold_of = dict(zip(fits.rows.records(), fits.rows.fold, strict=True))
    assert target.ids is not None
    np.testing.assert_array_equal(rows.fold, [fold_of.get(i, -1) for i in target.ids])
    own = SetScore(fits, ("original",))
    row = int(np.flatnonzero(rows.fold == 3)[0])
    assert own.score(rows)[row] == own.scores(rows)[3, row]


def test_mr_works_without_the_original() -> None:
    target, shadows = audit(three_variants, n=800, n_shadow=800, seed=9)
    shipped = tuple(v for v in target.variants if v != "original")
    bare = [without_variant(s, "original") for s in (target, *shadows)]
    cache = Cache(bare[0])
    scores, chosen = scores_of(MrReference, shipped, bare[0], bare[1:], cache)
    singles = [auc(scores_of(Band, [v], bare[0], bare[1:], cache)[0], target) for v in ("prune-0.6", "int4")]
    assert "prune-0.6" in str(chosen["stands"])
    assert auc(scores, target) > max(singles) - 0.005


def test_each_variant_is_fitted_once_for_all_attacks_of_an_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    target, shadows = audit(three_variants, n=300, n_shadow=400, seed=10)
    calls: list[int] = []

    def counted(rows: VariantRows, membership: NDArray[np.int64]) -> Mix:
        calls.append(len(membership))
        return fit_mix(rows, membership)

    monkeypatch.setattr("harness.attacks._reference_fits.fit_mix", counted)
    evaluation = attacks.evaluate(target, shadows, attacks=["band", "sr-ref", "mr-ref"])
    assert len(calls) == 5 * len(target.variants)
    views = {(r.view.attack, r.view.variants) for r in evaluation.results}
    assert len(views) == 4 + 3 + 2
    assert not evaluation.skipped


def test_the_report_names_the_step_that_stands() -> None:
    target, shadows = audit(with_variant("int8"), n=300, n_shadow=600, seed=11)
    evaluation = attacks.evaluate(target, shadows, attacks=["band", "sr-ref"])
    joint = next(r for r in evaluation.results if r.view.attack == "sr-ref")
    assert joint.chosen["stands"] == "original only"
    assert joint.versus_attack == "band"
