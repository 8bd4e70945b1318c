"""Attacks as strong as their references allow: shrunk variances, both sides, BASE, quantile regression, no ties."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import log_softmax

from harness import stats
from harness.attacks import _lira, attack_class
from harness.attacks._bayes_ratio import BayesRatio, BayesRatioOnline, log_mean_confidence
from harness.attacks._classifiers import sklearn_trainer
from harness.attacks._lira import Lira, LiraOnline, lira_offline, lira_online, spread_outside
from harness.attacks._quantile import QuantileRegression, answer_features
from harness.attacks._references import require_both_sides, require_outside
from harness.attacks._rmia import Rmia, RmiaOnline, online_ratios, pairwise_exceedance, refined
from harness.attacks._signals import signals
from harness.errors import InputError, UnresolvedError
from harness.types import FloatArray, Observations
from tests.attacks.simulated import SimulatedAudit, membership_of, population_of, simulate_audit


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(21)


@pytest.fixture(scope="module")
def audit() -> SimulatedAudit:
    return simulate_audit(leak=2.0, n=400, n_shadow=300, n_population=150, shadows=3, variants=("original",))


def answers(true_class: FloatArray, name: str = "model") -> Observations:
    """Two classes; the logit-scaled confidence of the true one is given."""
    logits = np.stack([true_class, np.zeros(len(true_class))], axis=1)
    return Observations(labels=np.zeros(len(true_class), dtype=np.int64), logits={"v": logits}, name=name)


def with_both_sides(rng: np.random.Generator, references: int, n: int = 600, gap: float = 2.0) -> Observations:
    """A target and references, half of which were trained on each record; members are more confident, some more."""
    inside = rng.permuted(np.tile(np.arange(references) % 2, (n, 1)), axis=1).T
    member = rng.permutation(np.arange(n) % 2)
    difficulty, spread, shift = rng.normal(0.0, 3.0, n), rng.lognormal(0.0, 0.4, n), gap * rng.uniform(0.0, 2.0, n)
    models = [answers(difficulty + shift * side + spread * rng.normal(size=n)) for side in (*inside, member)]
    return replace(
        models[-1], membership=member, references=tuple(models[:-1]), reference_membership=inside, name="target"
    )


def test_a_shrunk_variance_is_its_formula(rng: np.random.Generator) -> None:
    n, d0 = 50, _lira.SHRINKAGE_DEGREES
    logits, references = rng.normal(1, 2, n), rng.normal(0, 2, (6, n))
    out = rng.random((6, n)) < 0.4
    out[0] = True
    own = [references[out[:, i], i] for i in range(n)]
    squares = np.array([((values - values.mean()) ** 2).sum() for values in own])
    degrees = np.array([len(values) - 1 for values in own])
    assert degrees.min() == 0
    pooled = squares.sum() / degrees.sum()
    got = lira_offline(logits, references, out)
    for i, values in enumerate(own):
        variance = (d0 * pooled + squares[i]) / (d0 + degrees[i])
        expected = (logits[i] - values.mean()) / np.sqrt(variance * (1 + 1 / len(values)))
        assert got[i] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("k", [1, 2, 8])
def test_a_distance_outside_has_mean_0_and_deviation_1_with_any_number_of_references(
    rng: np.random.Generator, k: int
) -> None:
    n = 20_000
    difficulty, spread = rng.normal(0, 3, n), 0.7
    logits, references = difficulty + spread * rng.normal(size=n), difficulty + spread * rng.normal(size=(k, n))
    out = np.ones((k, n), dtype=np.bool_)
    z = lira_offline(logits, references, out, pooled=spread_outside(logits, references, out))
    assert z.mean() == pytest.approx(0.0, abs=0.03)
    assert z.std() == pytest.approx(1.0, abs=0.03)


def test_the_attack_takes_the_spread_of_one_reference_from_the_population(audit: SimulatedAudit) -> None:
    z = population_of(audit.target)
    one = replace(
        audit.target,
        references=audit.target.references[:1],
        population=replace(z, references=z.references[:1]),
    )
    outside = Lira(["original"]).fit(audit.shadows).score(one)[membership_of(one) == 0]
    assert outside.std() == pytest.approx(1.0, abs=0.15)
    bare = replace(one, population=None)
    from_shadows = Lira(["original"]).fit(audit.shadows).score(bare)[membership_of(one) == 0]
    assert from_shadows.std() == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("k", [4, 16])
def test_a_shrunk_variance_beats_one_for_all_and_each_records_own(k: int) -> None:
    rng = np.random.default_rng(k)
    n = 20_000
    spread, member = rng.lognormal(0.0, 0.5, n), np.arange(n) % 2
    logits, references = spread * rng.normal(size=n) + 1.5 * member, spread * rng.normal(size=(k, n))
    out = np.ones((k, n), dtype=np.bool_)

    def auc(per_record: bool | None) -> float:
        return stats.auc(lira_offline(logits, references, out, per_record=per_record), member).value

    assert auc(None) > max(auc(True), auc(False))


def test_online_lira_shrinks_both_sides_and_needs_one_reference_on_each() -> None:
    rng = np.random.default_rng(3)
    for references in (2, 8):
        target = with_both_sides(rng, references)
        online = LiraOnline(["v"]).fit([answers_with_membership(target)]).score(target)
        offline = Lira(["v"]).fit([answers_with_membership(target)]).score(target)
        member = membership_of(target)
        assert stats.auc(online, member).value > stats.auc(offline, member).value
        assert stats.auc(online, member).low > 0.6


def test_a_side_on_which_no_record_has_two_references_is_as_wide_as_the_other(rng: np.random.Generator) -> None:
    n = 200
    logits, references = rng.normal(size=n), rng.normal(0, 5.0, (4, n))
    out = np.ones((4, n), dtype=np.bool_)
    out[0] = False
    got = lira_online(logits, references, out, per_record=False)
    mean, width = references[1:].mean(axis=0), np.sqrt(references[1:].var(axis=0, ddof=1).mean())
    expected = 0.5 * (((logits - mean) / width) ** 2 - ((logits - references[0]) / width) ** 2)
    np.testing.assert_allclose(got, expected, atol=1e-9)


def answers_with_membership(target: Observations) -> Observations:
    """A shadow without references, so that nothing is chosen on it."""
    return replace(target, references=(), reference_membership=None, name="shadow/0")


@pytest.mark.parametrize("name", ["lira-online", "rmia-online", "base-online"])
def test_an_online_attack_says_what_it_lacks(name: str, audit: SimulatedAudit) -> None:
    attack = attack_class(name)(["original"]).fit(audit.shadows)
    assert attack.headline
    with pytest.raises(InputError, match="reference_membership: missing"):
        attack.score(audit.target)
    inside = np.zeros((3, len(audit.target)), dtype=np.int64)
    inside[0] = 1
    known = replace(audit.target, reference_membership=inside)
    assert len(attack.score(known)) == len(known)
    inside[0, 5:7] = 0
    with pytest.raises(InputError, match="2 records, the first of them 5, are in no reference's training set"):
        attack.score(known)
    inside[:, 9] = 1
    with pytest.raises(InputError, match="record 9 was in every reference's training set"):
        attack.score(known)


def test_online_rmia_weighs_both_sides_alike() -> None:
    references = np.array([[0.9], [0.7], [0.2]])
    out = np.array([[False], [False], [True]])
    got = online_ratios(np.array([0.8]), references, out, ~out)
    assert got[0] == pytest.approx(0.8 / (0.5 * (0.8 + 0.2)))


@pytest.mark.parametrize("models", [4, 8])
@pytest.mark.parametrize("name", ["lira", "lira-online", "base", "base-online"])
def test_the_number_of_references_inside_gives_no_membership_away(name: str, models: int) -> None:
    """Each record is in exactly half of all training sets, and nothing leaks."""
    rng = np.random.default_rng(models)
    n = 20_000
    inside = rng.permuted(np.tile(np.arange(models) % 2, (n, 1)), axis=1).T
    difficulty = rng.normal(0, 2, n)
    target, *references = (answers(difficulty + rng.normal(size=n)) for _ in range(models))
    target = replace(
        target, membership=inside[0], references=tuple(references), reference_membership=inside[1:], name="target"
    )
    scores = attack_class(name)(["v"]).fit([answers_with_membership(target)]).score(target)
    assert stats.auc(scores, inside[0], level=0.999).holds(0.5)


def test_halves_that_were_drawn_independently_lose_no_reference() -> None:
    inside = np.array([[0, 1, 0, 1], [0, 1, 1, 0], [1, 1, 1, 0]])
    one = answers(np.zeros(4))
    target = replace(one, references=(one, one, one), reference_membership=inside)
    with pytest.raises(InputError, match="record 1 was in every"):
        require_outside(target)
    independent = replace(target, reference_membership=inside * [[1, 0, 1, 1]])
    np.testing.assert_array_equal(require_outside(independent), independent.reference_membership == 0)
    out, within = require_both_sides(target.take(np.array([0, 2, 3])))
    np.testing.assert_array_equal(out.sum(axis=0), [1, 1, 1])
    np.testing.assert_array_equal(within.sum(axis=0), [1, 1, 1])
    np.testing.assert_array_equal(out, [[1, 1, 0], [0, 0, 1], [0, 0, 0]])


def test_references_inside_add_to_rmia_and_base(rng: np.random.Generator) -> None:
    target = with_both_sides(rng, 8)
    z = answers(rng.normal(0.0, 3.0, 200))
    population = replace(z, references=tuple(answers(rng.normal(0.0, 3.0, 200)) for _ in range(8)))
    target, shadow = replace(target, population=population), answers_with_membership(target)
    for online, offline in ((RmiaOnline, Rmia), (BayesRatioOnline, BayesRatio)):
        with_inside, without = (
            stats.auc(attack(["v"]).fit([shadow]).score(target), membership_of(target)).value
            for attack in (online, offline)
        )
        assert with_inside > without


def test_base_is_its_formula(rng: np.random.Generator) -> None:
    n, classes, temperature = 40, 5, 2.0
    labels = rng.integers(0, classes, n)
    tables = [rng.normal(0, 3, (n, classes)) for _ in range(4)]
    models = [Observations(labels=labels, logits={"v": table}) for table in tables]
    inside = np.zeros((3, n), dtype=np.int64)
    inside[0, ::2] = 1
    target = replace(models[3], references=tuple(models[:3]), reference_membership=inside)
    attack = BayesRatio(["v"])
    attack.temperature, attack.weight = temperature, 0.33
    own = [log_softmax(table / temperature, axis=1)[np.arange(n), labels] for table in tables]
    for i, score in enumerate(attack.score(target)):
        counted = [np.exp(own[r][i]) for r in range(3) if not inside[r, i]]
        assert score == pytest.approx(own[3][i] - 0.33 * np.log(np.mean(counted)), abs=1e-12)


def test_base_ranks_as_rmia_at_weight_1_and_temperature_1(audit: SimulatedAudit) -> None:
    base, rmia = BayesRatio(["original"]), Rmia(["original"])
    base.temperature, base.weight, rmia.a = 1.0, 1.0, 1.0
    ranks = [np.argsort(np.argsort(attack.score(audit.target))) for attack in (base, rmia)]
    assert np.corrcoef(ranks[0], ranks[1])[0, 1] > 0.99999


def test_base_chooses_weight_and_temperature_on_the_shadows(audit: SimulatedAudit) -> None:
    attack = BayesRatio(["original"]).fit(audit.shadows)
    assert attack.chosen == {"weight": attack.weight, "temperature": attack.temperature}
    member = np.concatenate([membership_of(s) for s in audit.shadows])
    chosen = stats.auc(np.concatenate([attack.score(s) for s in audit.shadows]), member).value
    assert chosen == pytest.approx(attack.shadow_auc)
    for weight, temperature in ((0.33, 1.5), (0.0, 1.0), (1.0, 1.0), (0.5, 2.0)):
        attack.weight, attack.temperature = weight, temperature
        other = stats.auc(np.concatenate([attack.score(s) for s in audit.shadows]), member).value
        assert other <= chosen


def test_the_log_of_a_mean_confidence_counts_the_references_of_the_mask(rng: np.random.Generator) -> None:
    log_p, mask = -rng.exponential(size=(5, 30)) * 400, rng.random((5, 30)) < 0.6
    mask[2] = True
    for i, value in enumerate(log_mean_confidence(log_p, mask)):
        rows = log_p[mask[:, i], i]
        expected = rows.max() + np.log(np.mean(np.exp(rows - rows.max())))
        assert value == pytest.approx(expected, abs=1e-9)


def of_hard_and_easy_classes(rng: np.random.Generator, n: int, name: str, population: int = 0) -> Observations:
    """Classes differ in how confident a model is; members are half a unit more confident."""
    labels, member = rng.integers(0, 6, n), rng.permutation(np.arange(n) % 2)
    logits = rng.normal(0, 0.3, (n, 6))
    logits[np.arange(n), labels] += 2.0 * labels + 0.5 * member
    z = of_hard_and_easy_classes(rng, population, f"{name}/z") if population else None
    if z is not None:
        lowered = np.array(z.logits["v"], dtype=np.float64)
        lowered[np.arange(population), z.labels] -= 0.5 * membership_of(z)
        z = replace(z, logits={"v": lowered}, membership=None)
    return Observations(labels=labels, logits={"v": logits}, membership=member, population=z, name=name)


@pytest.mark.parametrize("population", [0, 400])
def test_quantile_regression_beats_the_confidence_where_records_differ_in_difficulty(population: int) -> None:
    rng = np.random.default_rng(5)
    target, shadow = (of_hard_and_easy_classes(rng, 600, name, population) for name in ("target", "shadow/0"))
    attack = QuantileRegression(["v"]).fit([shadow])
    plain = stats.auc(signals(target, "v").logit, membership_of(target)).value
    assert stats.auc(attack.score(target), membership_of(target)).value > plain + 0.1
    assert attack.chosen["fitted_on"] == ("population" if population else "non-members of the shadows")
    called = attack.score(target) >= attack.threshold
    assert stats.balanced_accuracy(called.astype(float), membership_of(target), threshold=0.5).value > 0.65


def test_quantile_regression_is_fitted_on_non_members_alone() -> None:
    rng = np.random.default_rng(6)
    target, shadow = (of_hard_and_easy_classes(rng, 300, name) for name in ("target", "shadow/0"))
    changed = shadow.logits["v"].copy()
    changed[membership_of(shadow) == 1] += rng.normal(0, 5, changed[membership_of(shadow) == 1].shape)
    scores = [
        QuantileRegression(["v"]).fit([s]).score(target) for s in (shadow, replace(shadow, logits={"v": changed}))
    ]
    np.testing.assert_array_equal(scores[0], scores[1])


def test_a_distance_of_non_members_in_predicted_spreads_has_deviation_1() -> None:
    rng = np.random.default_rng(7)
    target, shadow = (of_hard_and_easy_classes(rng, 4000, name) for name in ("target", "shadow/0"))
    outside = QuantileRegression(["v"]).fit([shadow]).score(target)[membership_of(target) == 0]
    assert outside.mean() == pytest.approx(0.0, abs=0.1)
    assert outside.std() == pytest.approx(1.0, abs=0.1)


def test_features_of_an_answer_do_not_move_with_the_true_class(rng: np.random.Generator) -> None:
    labels, logits = rng.integers(0, 4, 30), rng.normal(0, 2, (30, 4))
    higher = logits.copy()
    higher[np.arange(30), labels] += rng.normal(0, 3, 30)
    one, two = (answer_features(Observations(labels=labels, logits={"v": x}), "v") for x in (logits, higher))
    np.testing.assert_allclose(one, two, atol=1e-9)


def test_rmia_orders_records_that_exceed_equally_many(audit: SimulatedAudit) -> None:
    attack = Rmia(["original"])
    attack.a = 1.0
    scores, m = attack.score(audit.target), len(population_of(audit.target))
    share = np.floor(scores * m + 1e-9) / m
    assert len(np.unique(share)) < len(scores) / 2
    assert len(np.unique(scores)) == len(scores)
    assert (scores - share < 0.5 / m).all()
    assert (scores >= share).all()


def test_a_refined_share_is_in_the_order_of_the_ratio(rng: np.random.Generator) -> None:
    x, z = rng.lognormal(0, 3, 500), rng.lognormal(0, 1, 20)
    share = pairwise_exceedance(x, z, 1.0)
    scores = refined(share, x, len(z))
    np.testing.assert_array_equal(np.argsort(scores), np.argsort(x))
    for cut in np.unique(share):
        np.testing.assert_array_equal(scores >= cut, share >= cut)
    extreme = refined(np.zeros(2), np.array([1e-12, 1e12]), 20)
    assert 0.0 <= extreme[0] < extreme[1] < 0.5 / 20


@pytest.mark.parametrize("name", ["gbt", "mr-gbt"])
def test_boosted_trees_order_records_with_equal_scores(name: str) -> None:
    audit = simulate_audit(leak=2.0, n=1000, n_shadow=500, n_population=20)
    variants = ["original"] if name == "gbt" else ["original", "prune-0.6", "int8-ptq"]
    attack = attack_class(name)(variants).fit(audit.shadows)
    scores = attack.score(audit.target)
    assert len(np.unique(scores.round(4))) < 900
    assert len(np.unique(scores)) > 990
    logit = np.mean([signals(audit.target, v).logit for v in variants], axis=0)
    by_score = np.argsort(scores)
    tied = np.diff(scores[by_score]) < 1e-7
    assert tied.sum() > 50
    assert (np.diff(logit[by_score])[tied] > 0).all()


@pytest.mark.parametrize("side", [25, 40, 60])
@pytest.mark.parametrize("kind", ["gbt", "rf"])
def test_trees_learn_from_few_records(kind: str, side: int) -> None:
    rng = np.random.default_rng(side)
    y = rng.permutation(np.arange(2 * side) % 2)
    x = (rng.normal(size=(2 * side, 3)) + 4.0 * y[:, None]).astype(np.float32)
    out_of_fold, score = sklearn_trainer(kind, seed=0, n_jobs=1)(x, y, rng.permutation(2 * side) % 5)
    assert stats.auc(out_of_fold, y).value > 0.9
    assert np.ptp(score(x)) > 0.1


@pytest.mark.parametrize("name", ["gbt", "posterior-rf", "posterior-label-rf", "posterior-lr"])
def test_an_attack_that_learned_nothing_says_so_and_has_no_scores(name: str, rng: np.random.Generator) -> None:
    logits = np.tile(np.array([2.0, 1.0, 0.0]), (60, 1))
    shadow = Observations(
        labels=np.zeros(60, dtype=np.int64), logits={"v": logits}, membership=rng.permutation(np.arange(60) % 2)
    )
    with pytest.raises(UnresolvedError, match=r"learned nothing from 60 records: all scores are equal.*needs about"):
        attack_class(name)(["v"]).fit([shadow])


def test_a_learned_attack_with_equal_scores_on_the_target_says_so(audit: SimulatedAudit) -> None:
    attack = attack_class("gbt")(["original"]).fit(audit.shadows)
    first = np.zeros(60, dtype=np.int64)
    with pytest.raises(UnresolvedError, match="learned nothing"):
        attack.score(audit.target.take(first))


def test_class_cuts_decide_and_the_score_is_the_same_for_all_classes(audit: SimulatedAudit) -> None:
    by_class, plain = (
        attack_class(name)(["original"]).fit(audit.shadows) for name in ("modified-entropy-class", "modified-entropy")
    )
    np.testing.assert_array_equal(by_class.score(audit.target), plain.score(audit.target))
    assert by_class.shadow_auc == plain.shadow_auc
    cuts: NDArray[np.float64] = by_class.cut_of(audit.target)
    assert len(np.unique(cuts)) > 1
    assert all(len(np.unique(cuts[audit.target.labels == c])) == 1 for c in range(6))
    np.testing.assert_array_equal(plain.cut_of(audit.target), np.full(len(audit.target), plain.threshold))


def test_label_blind_attacks_run_only_where_they_are_named() -> None:
    assert not attack_class("posterior-lr").headline
    assert not attack_class("posterior-rf").headline
    assert attack_class("base").headline
