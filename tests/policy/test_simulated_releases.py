"""How often the gate errs: simulated releases whose true leakage is known, through attacks, intervals and rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import pytest
from scipy.stats import binom, norm

from harness.attacks import evaluate
from harness.attacks._confidence import Confidence
from harness.attacks._family_wise import STRONGEST_SHARE, FamilyWise
from harness.attacks._measure import Scored, Task
from harness.config import GateConfig, GateRule
from harness.policy import Outcome, judge
from harness.results import AttackFindings, Increase
from harness.stats import clopper_pearson
from harness.types import FloatArray, Observations, View

pytestmark = pytest.mark.slow

RELEASES, LIMIT, LEVEL = 200, 0.60, 0.95
POLICY = GateConfig(rules=(GateRule(id="auc", max=LIMIT), GateRule(id="increase", max_increase=0.0)))
# True AUC of the strongest attack: chance, exactly at the limit, and well above it.
TRUTHS = {"no leak": 0.50, "at the limit": LIMIT, "well above": 0.70}
Rate = tuple[int, int]


def shift_of(auc: float) -> float:
    """By how much members' normal scores lie above non-members' for this AUC."""
    return float(np.sqrt(2.0) * norm.ppf(auc))


def allowed(share: float, trials: int) -> int:
    """The most events of this probability that chance explains: more happen in one of a thousand such tests."""
    return int(binom.ppf(0.999, trials, share))


def shown(count: int, trials: int) -> str:
    low, high = clopper_pearson(count, trials)
    return f"{count:3d} of {trials} = {count / trials:5.1%} [{low:.1%}, {high:.1%}]"


def answers(auc: float, rng: np.random.Generator, *, n: int) -> Observations:
    """Answers of an original and of a compressed model to n members and n non-members, two classes.

    The logarithm of the odds of the true class is normal and higher for members, so that the attack on the confidence
    has this AUC exactly on both models; the entropy is a weaker attack. The models share most of what they say.
    """
    member = np.repeat([1, 0], n)
    labels = rng.integers(0, 2, size=2 * n)
    shared = rng.normal(size=2 * n)
    confidences = {}
    for variant in ("original", "int8"):
        odds = np.sqrt(0.8) * shared + np.sqrt(0.2) * rng.normal(size=2 * n) + shift_of(auc) * member
        right = 1.0 / (1.0 + np.exp(-odds))
        table = np.column_stack([1.0 - right, 1.0 - right])
        table[np.arange(2 * n), labels] = right
        confidences[variant] = table
    return Observations(labels=labels, confidences=confidences, membership=member)


def outcomes(auc: float, *, n: int, releases: int, seed: int) -> dict[str, Counter[Outcome]]:
    """What the gate decides about each rule, over so many releases of one true AUC."""
    rng = np.random.default_rng(seed)
    shadow = answers(auc, rng, n=100)
    found: dict[str, Counter[Outcome]] = {rule.id: Counter() for rule in POLICY.rules}
    for _ in range(releases):
        audit = evaluate(answers(auc, rng, n=n), [shadow], attacks=["confidence", "entropy"], fprs=[0.05], level=LEVEL)
        verdict = judge(AttackFindings(results=audit.results, increases=audit.increases), (), POLICY)
        for rule in verdict.rules:
            found[rule.id][rule.outcome] += 1
    return found


@cache
def large(truth: str) -> dict[str, Counter[Outcome]]:
    found = outcomes(TRUTHS[truth], n=300, releases=RELEASES, seed=list(TRUTHS).index(truth))
    for rule, counts in found.items():
        told = ", ".join(f"{outcome} {shown(count, RELEASES)}" for outcome, count in sorted(counts.items()))
        print(f"\n{truth} (AUC {TRUTHS[truth]:.2f}, limit {LIMIT}, 300+300 records), rule {rule}: {told}", end="")
    return found


@pytest.mark.parametrize("truth", ["no leak", "at the limit"])
def test_a_release_within_the_limit_fails_in_5_percent_of_audits_at_most(truth: str) -> None:
    assert large(truth)["auc"]["fail"] <= allowed(1.0 - LEVEL, RELEASES)


def test_a_release_above_the_limit_passes_in_2_and_a_half_percent_of_audits_at_most() -> None:
    """Exactly at the limit is the worst case: a plain upper bound of 95% lies below the truth in 2.5% of audits."""
    most = allowed((1.0 - LEVEL) / 2.0, RELEASES)
    assert large("at the limit")["auc"]["pass"] <= most
    assert large("well above")["auc"]["pass"] == 0


def test_the_gate_decides_where_the_truth_is_clear_and_not_where_it_is_at_the_limit() -> None:
    assert large("no leak")["auc"]["pass"] >= 0.9 * RELEASES
    assert large("well above")["auc"]["fail"] >= 0.9 * RELEASES
    assert large("at the limit")["auc"]["inconclusive"] >= 0.9 * RELEASES


@pytest.mark.parametrize("truth", TRUTHS)
def test_compression_that_adds_nothing_is_called_an_increase_in_5_percent_of_audits_at_most(truth: str) -> None:
    """Through the whole path, two attacks of unequal strength on each model."""
    assert large(truth)["increase"]["fail"] <= allowed(1.0 - LEVEL, RELEASES)


def test_few_records_are_inconclusive_whatever_leaks() -> None:
    for number, auc in enumerate(TRUTHS.values()):
        counts = outcomes(auc, n=30, releases=40, seed=100 + number)["auc"]
        print(f"\nAUC {auc:.2f}, 30+30 records: {dict(counts)}", end="")
        assert counts["inconclusive"] >= 0.75 * counts.total()


# -- the strongest against the strongest ------------------------------------------------------------------------------

# True AUCs of the attacks on the original and on the compressed model, and how scores go together: the share of their
# variance that all have in common, and the share that an attack has in common on both models.
NULLS: dict[str, tuple[Sequence[float], Sequence[float], float, float]] = {
    "6 equal, independent": ([0.60] * 6, [0.60] * 6, 0.0, 0.0),
    "6 equal, correlated": ([0.60] * 6, [0.60] * 6, 0.5, 0.4),
    "unequal": ([0.62, 0.61, 0.60, 0.55], [0.62, 0.61, 0.60, 0.55], 0.5, 0.4),
    "3 against 12": ([0.60] * 3, [0.60] * 12, 0.5, 0.4),
    "12 against 3": ([0.60] * 12, [0.60] * 3, 0.5, 0.4),
    "6 against 3, unequal": ([0.62, 0.60, 0.55], [0.62, 0.61, 0.60, 0.60, 0.60, 0.60], 0.68, 0.3),
}


def scored(
    original: Sequence[float], compressed: Sequence[float], common: float, paired: float, member: FloatArray, seed: int
) -> Iterator[Scored]:
    """Scores of attacks with these true AUCs on both models."""
    rng = np.random.default_rng(seed)
    n = len(member)
    shared = np.sqrt(common) * rng.normal(size=n)
    own = np.sqrt(paired) * rng.normal(size=(max(len(original), len(compressed)), n))
    for variant, aucs in (("original", original), ("int8", compressed)):
        for place, auc in enumerate(aucs):
            rest = np.sqrt(1.0 - common - paired) * rng.normal(size=n)
            scores = shared + own[place] + rest + shift_of(auc) * member
            view = View("NR", f"attack-{place}", (variant,))
            yield Scored(Task(view, Confidence), scores, np.zeros(n))


def increase_of(scores: Sequence[Scored], member: FloatArray) -> Increase:
    membership = member.astype(np.int64)
    family = FamilyWise(scores, [None] * len(scores), membership, fprs=(), seed=0)
    (increase,) = family.increases(
        original="original", controls=(), level=LEVEL, chance=STRONGEST_SHARE * (1.0 - LEVEL)
    )
    return increase


def increases(case: tuple[Sequence[float], Sequence[float], float, float], *, n: int) -> list[Increase]:
    member = np.repeat([1.0, 0.0], n)
    return [increase_of(list(scored(*case, member, seed)), member) for seed in range(RELEASES)]


def fails(increase: Increase) -> bool:
    policy = GateConfig(rules=(GateRule(max_increase=0.0),))
    return judge(AttackFindings(increases=(increase,)), (), policy).outcome == "fail"


@pytest.mark.parametrize("case", NULLS)
def test_the_strongest_attack_on_a_copy_that_adds_nothing_is_stronger_in_5_percent_of_pairs_at_most(case: str) -> None:
    found = increases(NULLS[case], n=200)
    more = sum(one.difference.low > 0.0 for one in found)
    less = sum(one.difference.high < 0.0 for one in found)
    called = sum(map(fails, found))
    values = np.array([one.difference.value for one in found])
    half = float(np.mean([one.difference.high - one.difference.low for one in found])) / 2.0
    print(
        f"\n{case}, 200+200 records: the interval is above 0 in {shown(more, RELEASES)}, below in "
        f"{shown(less, RELEASES)}; the gate fails {shown(called, RELEASES)}; half of an interval is {half:.3f}, "
        f"{norm.ppf(0.975):.2f} standard deviations of the difference are {norm.ppf(0.975) * values.std(ddof=1):.3f}",
        end="",
    )
    assert more + less <= allowed(1.0 - LEVEL, RELEASES)
    assert called <= allowed(STRONGEST_SHARE * (1.0 - LEVEL), RELEASES)


@pytest.mark.parametrize(("common", "paired"), [(0.0, 0.0), (0.5, 0.4)], ids=["independent", "correlated"])
def test_an_increase_of_5_points_is_found_in_80_percent_of_audits_of_4000_records(common: float, paired: float) -> None:
    original = [0.60, 0.60, 0.60, 0.55]
    found = increases((original, [auc + 0.05 for auc in original], common, paired), n=2000)
    called = sum(map(fails, found))
    held = sum(one.difference.holds(0.05) for one in found)
    print(f"\n+.05 at 2000+2000 records: found in {shown(called, RELEASES)}, held by {shown(held, RELEASES)}", end="")
    assert called >= 0.8 * RELEASES
    assert RELEASES - held <= allowed(1.0 - LEVEL, RELEASES)
