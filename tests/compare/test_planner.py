"""The planner: brute force written anew finds the same leakage and the same best set, and nulls stay nulls."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import rankdata

from harness.attacks import attack_class
from harness.compare.planner import Asked, plan_sets
from harness.compare.planner_result import File, Planned
from harness.compare.planner_search import grown_sets, largest_possible, places_of
from harness.config import GateRule
from harness.errors import UsageError
from harness.types import FloatArray, Observations
from tests.compare.planner_world import CLASSES, world

FPRS = (0.05,)
Names = tuple[str, ...]


def files_of(names: Names) -> list[File]:
    """Files that are larger, slower and more accurate the later they stand."""
    return [File(name, "litert", 1000 + 10 * at, 1e6 + at, 0.8 + 0.01 * at) for at, name in enumerate(names)]


def planned(leaks: FloatArray, *, n: int, limit: float, seed: int = 0, **changes: object) -> Planned:
    target, shadows, names = world(list(leaks), n=n, seed=seed)
    rules = (GateRule(max=limit),)
    asked = Asked(rules=rules, policy="test", **changes)  # type: ignore[arg-type]
    return plan_sets(target, shadows, files_of(names), asked, names=names, runtime="litert", fprs=FPRS, seed=seed)


# -- brute force, which shares nothing with the planner but the attacks that are in its results by name ----------------


def auc(scores: FloatArray, member: FloatArray) -> float:
    """The AUC by ranks."""
    ranks, count = rankdata(scores), int(member.sum())
    return float((ranks[member == 1].sum() - count * (count + 1) / 2) / (count * (len(member) - count)))


@cache
def _logit(key: int, name: str) -> FloatArray:
    one = KEPT[key]
    values = one.logits[name].astype(np.float64)
    own = values[np.arange(len(values)), one.labels]
    values[np.arange(len(values)), one.labels] = -np.inf
    return np.asarray(own - np.logaddexp.reduce(values, axis=1))


# Observations are told apart by their identity, which holds while they are kept.
KEPT: dict[int, Observations] = {}


def logit(one: Observations, name: str) -> FloatArray:
    """Logit-scaled confidence of the true class."""
    KEPT[id(one)] = one
    return _logit(id(one), name)


def outside(one: Observations) -> FloatArray:
    trained = one.reference_membership
    shape = (len(one.references), len(one))
    return np.ones(shape) - (np.zeros(shape) if trained is None else trained.astype(np.float64))


def with_reference(one: Observations) -> Observations:
    return one.take(np.flatnonzero(outside(one).any(axis=0)))


def mean_outside(one: Observations, name: str, values: Callable[[FloatArray], FloatArray]) -> FloatArray:
    out = outside(one)
    answers = np.stack([values(logit(reference, name)) for reference in one.references])
    return np.asarray((answers * out).sum(axis=0) / out.sum(axis=0))


def rmia(one: Observations, names: Names, a: float) -> FloatArray:
    """The mean log ratio of the variants."""
    total = np.zeros(len(one))
    for name in names:
        mean = mean_outside(one, name, expit)
        total += np.log(expit(logit(one, name))) - np.log(0.5 * ((1 + a) * mean + 1 - a))
    return total / len(names)


def features(one: Observations, names: Names) -> FloatArray:
    own = [logit(one, name) for name in names]
    expected = [mean_outside(one, name, np.asarray) for name in names]
    return np.column_stack([*own, *expected])


def fisher(x: FloatArray, member: FloatArray) -> FloatArray:
    centred = [x[member == side] - x[member == side].mean(axis=0) for side in (0, 1)]
    covariance = sum(part.T @ part for part in centred) / (len(x) - 2)
    ridge = 1e-3 * np.trace(covariance) / x.shape[1]
    shift = x[member == 1].mean(axis=0) - x[member == 0].mean(axis=0)
    return np.asarray(np.linalg.solve(covariance + ridge * np.eye(x.shape[1]), shift))


class Brute:
    """The leakage of every set, one by one."""

    def __init__(self, leaks: FloatArray, *, n: int, seed: int = 0) -> None:
        from harness.attacks._folds import fold_of_rows

        self.target, self.shadows, self.names = world(list(leaks), n=n, seed=seed)
        self.member = np.asarray(self.target.membership, dtype=np.float64)
        self.usable = [with_reference(one) for one in self.shadows]
        self.of_shadows = np.concatenate([np.asarray(one.membership) for one in self.usable]).astype(np.float64)
        self.fold = fold_of_rows(self.usable, folds=5, seed=seed)
        self.scored: dict[Names, list[tuple[float, FloatArray]]] = {}
        sets = [names for size in range(1, len(self.names) + 1) for names in combinations(self.names, size)]
        best: dict[Names, tuple[float, int, Names]] = {}
        for names in sets:
            self.scored[names] = self.attacks(names)
            options = [(shadow, place, names) for place, (shadow, _) in enumerate(self.scored[names])]
            options += [best[smaller] for smaller in combinations(names, len(names) - 1) if smaller]
            best[names] = max(options, key=lambda one: one[0])
        self.winner = {names: self.scored[of][place][1] for names, (_, place, of) in best.items()}

    def attacks(self, names: Names) -> list[tuple[float, FloatArray]]:
        """AUC on the shadows and the target's scores, of each attack."""
        found = []
        by_a = []
        for a in (0.0, 0.3, 0.6, 1.0):
            on_shadows = np.concatenate([rmia(one, names, a) for one in self.usable])
            by_a.append((auc(on_shadows, self.of_shadows), a))
        shadow, a = max(by_a, key=lambda one: one[0])
        found.append((shadow, rmia(self.target, names, a)))
        joint = attack_class("lira-joint")(names).fit(self.shadows)
        found.append((joint.shadow_auc, joint.score(self.target)))
        x = np.concatenate([features(one, names) for one in self.usable])
        held_out = np.empty(len(x))
        for k in range(5):
            held = self.fold == k
            values = x[held] @ fisher(x[~held], self.of_shadows[~held])
            held_out[held] = values - np.median(values)
        found.append((auc(held_out, self.of_shadows), features(self.target, names) @ fisher(x, self.of_shadows)))
        mean = [np.mean([logit(one, name) for name in names], axis=0) for one in (*self.shadows, self.target)]
        of_all = np.concatenate([np.asarray(one.membership) for one in self.shadows]).astype(np.float64)
        found.append((auc(np.concatenate(mean[:-1]), of_all), mean[-1]))
        return found

    def leakage(self) -> dict[Names, float]:
        """The largest AUC, on the target, among what the shadows chose for a set and its subsets."""
        of_set = {names: auc(scores, self.member) for names, scores in self.winner.items()}
        return {names: max(value for other, value in of_set.items() if set(other) <= set(names)) for names in of_set}


def leakage_of(plan: Planned) -> dict[Names, float]:
    return {tuple(file.variant for file in one.files): one.leakage.value for one in plan.sets}


# -- must show ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_brute_force_on_ten_variants_finds_the_same_leakage_and_the_same_best_set() -> None:
    leaks, limit = np.linspace(0.0, 0.9, 10), 0.66
    plan, brute = planned(leaks, n=150, limit=limit), Brute(leaks, n=150)
    mine, theirs = leakage_of(plan), brute.leakage()
    assert plan.exhaustive
    assert len(mine) == 1023
    assert mine.keys() == theirs.keys()
    for names, value in theirs.items():
        assert mine[names] == pytest.approx(value, abs=1e-12), names
    passing = [one for one in plan.sets if one.leakage.high <= limit]
    # As many files as pass, then the most accurate worst file, then the most accurate best one.
    best = max(passing, key=lambda one: (len(one.files), min(f.accuracy or 0 for f in one.files)))
    assert plan.best_set is not None
    assert len(plan.best_set.files) == len(best.files) >= 2
    assert min(f.accuracy or 0 for f in plan.best_set.files) == min(f.accuracy or 0 for f in best.files)
    assert plan.at_most == len(best.files)


@pytest.mark.slow
@pytest.mark.parametrize(("variants", "n", "seed"), [(11, 120, 1), (12, 80, 2)])
def test_a_chain_claims_nothing_that_all_sets_refute(variants: int, n: int, seed: int) -> None:
    leaks, limit = np.linspace(0.0, 1.0, variants), 0.7
    chain = planned(leaks, n=n, limit=limit, seed=seed)
    every = planned(leaks, n=n, limit=limit, seed=seed, exhaustive_to=variants)
    assert not chain.exhaustive
    assert every.exhaustive
    assert len(chain.sets) < len(every.sets) / 5
    truth = {one.name: one for one in every.sets}
    for one in chain.sets:
        # A set that was measured leaks at least what the chain saw.
        assert one.leakage.value <= truth[one.name].leakage.value + 1e-12
        if one.outcome == "pass":
            assert truth[one.name].outcome != "fail"
    largest = max(len(one.files) for one in every.sets if one.outcome == "pass")
    assert chain.at_most >= largest
    assert chain.best_set is not None
    assert truth[chain.best_set.name].outcome == "pass"


@pytest.mark.slow
def test_where_nobody_leaks_all_intervals_hold_one_half_in_95_of_100_runs() -> None:
    runs, missed = 300, 0
    for seed in range(runs):
        plan = planned(np.zeros(4), n=100, limit=0.6, seed=seed)
        missed += not all(one.leakage.holds(0.5) for one in plan.sets)
    print(f"{missed} of {runs} null runs have a set whose interval misses 0.5")
    assert missed / runs <= 0.05


@pytest.mark.slow
def test_without_shadows_nothing_is_chosen_and_all_intervals_hold_one_half() -> None:
    runs, missed = 100, 0
    for seed in range(runs):
        target, _, names = world([0.0] * 3, n=100, seed=seed)
        plan = plan_sets(target, [], files_of(names), Asked(rules=(GateRule(max=0.6),)), names=names, seed=seed)
        assert not plan.chosen_on_shadows
        missed += not all(one.leakage.holds(0.5) for one in plan.sets)
    print(f"{missed} of {runs} null runs without shadows have a set whose interval misses 0.5")
    assert missed / runs <= 0.05


# -- the rest ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small() -> Planned:
    return planned(np.array([0.0, 0.2, 0.8]), n=400, limit=0.6)


def test_a_set_leaks_at_least_what_each_of_its_subsets_does(small: Planned) -> None:
    for one in small.sets:
        for other in small.sets:
            if set(other.files) <= set(one.files):
                assert other.leakage.value <= one.leakage.value
                assert other.leakage.low <= one.leakage.low
                assert other.leakage.high <= one.leakage.high


def test_several_files_tell_more_than_one(small: Planned) -> None:
    both = planned(np.full(4, 1.0), n=1200, limit=0.9)
    single, all_together = both.of_size(1), both.of_size(4)
    assert single is not None
    assert all_together is not None
    assert all_together.leakage.low > single.leakage.value
    assert all_together.strongest.adversary == "MR"


def test_the_exact_outcome_of_each_set_follows_from_its_interval(small: Planned) -> None:
    for one in small.sets:
        low, high = one.leakage.low, one.leakage.high
        assert one.outcome == ("fail" if low > 0.6 else "pass" if high <= 0.6 else "inconclusive")


def test_a_preference_decides_among_the_sets_that_pass() -> None:
    leaks = np.zeros(4)
    by_size = planned(leaks, n=300, limit=0.75, prefer="size").best_set
    by_accuracy = planned(leaks, n=300, limit=0.75, prefer="accuracy").best_set
    by_latency = planned(leaks, n=300, limit=0.75, prefer="latency").best_set
    by_number = planned(leaks, n=300, limit=0.75).best_set
    assert by_size is not None
    assert by_size.name == "original"
    assert by_accuracy is not None
    assert "v3" in by_accuracy.name
    assert by_latency is not None
    assert by_latency.name == "original"
    assert by_number is not None
    assert len(by_number.files) == 4


def test_a_rule_on_one_adversary_judges_its_views_alone() -> None:
    target, shadows, names = world([0.5, 0.5, 0.5], n=600)
    alone = GateRule(max=0.6, adversary=("NR",))
    plan = plan_sets(target, shadows, files_of(names), Asked(rules=(alone,)), names=names)
    everyone = plan_sets(target, shadows, files_of(names), Asked(rules=(GateRule(max=0.6),)), names=names)
    assert {one.outcome for one in plan.sets} <= {"pass", "inconclusive"}
    assert everyone.sets[-1].outcome != "pass"
    assert {one.rules[0].id for one in plan.sets} == {alone.id}


def test_an_increase_is_held_against_the_original_alone() -> None:
    target, shadows, names = world([0.2, 1.5], n=400)
    asked = Asked(rules=(GateRule(max_increase=0.05),))
    plan = plan_sets(target, shadows, files_of(names), asked, names=names)
    outcomes = {one.name: one.outcome for one in plan.sets}
    assert outcomes["original"] == "pass"
    assert outcomes["v1"] == "fail"
    increase = next(one.increase for one in plan.sets if one.name == "v1")
    assert increase is not None
    assert increase.low > 0.05
    without = plan_sets(target, shadows, files_of(names)[1:], asked, names=names[1:])
    assert without.sets[0].outcome == "inconclusive"


def test_without_rules_no_set_passes() -> None:
    target, shadows, names = world([0.0, 0.0], n=100)
    plan = plan_sets(target, shadows, files_of(names), Asked(rules=()), names=names)
    assert {one.outcome for one in plan.sets} == {"inconclusive"}
    assert plan.best_set is None


def test_no_set_on_the_front_is_beaten(small: Planned) -> None:
    assert small.front
    for one in small.front:
        for other in small.sets:
            as_many = len(other.files) >= len(one.files)
            less = other.leakage.value < one.leakage.value
            cheap = (other.size_bytes or 0) <= (one.size_bytes or 0)
            fast = (other.worst_p50_ns or 0) <= (one.worst_p50_ns or 0)
            good = (other.worst_accuracy or 0) >= (one.worst_accuracy or 0)
            assert not (as_many and less and cheap and fast and good and other.best_accuracy == one.best_accuracy)


def test_too_many_files_are_refused() -> None:
    target, shadows, names = world([0.0] * 41, n=25)
    with pytest.raises(UsageError, match="41 files"):
        plan_sets(target, shadows, files_of(names), Asked(rules=()), names=names)


def test_a_chain_begins_with_every_file_and_every_pair() -> None:
    sets = grown_sets(5, lambda mask: float(mask))
    assert [mask for mask in sets if mask.bit_count() == 1] == [1, 2, 4, 8, 16]
    assert sum(mask.bit_count() == 2 for mask in sets) == 10
    assert 31 in sets
    assert len(sets) == len(set(sets))
    assert places_of(0b10110) == (1, 2, 4)


def test_the_largest_possible_set_is_bounded_by_the_pairs_that_pass() -> None:
    every = [1, 2, 4, 8, 3, 5, 6, 9, 10, 12]
    assert largest_possible(4, every) == 4
    # 0 and 1 do not go together, nor do 2 and 3: two of the four at most.
    assert largest_possible(4, [mask for mask in every if mask not in (3, 12)]) == 2
    assert largest_possible(4, [1]) == 1
    assert largest_possible(4, []) == 0


def test_the_world_has_the_classes_that_it_says() -> None:
    target, _, names = world([0.0], n=30)
    assert target.logits[names[0]].shape == (60, CLASSES)
