"""Do the 95% intervals hold the population's value in 95% of audits? Run with ``pytest -s`` to see the shares."""

import itertools

import numpy as np
import pytest
from scipy.stats import norm

from harness.stats import auc, auc_difference, balanced_accuracy, roc, tpr_at_fpr

from .populations import FEW_EXPOSED, NOTHING, STRONG, WEAK, Population

AUDITS = 500
# Coverage that is called right, and how far the share over AUDITS simulated audits may stray from it: two standard
# errors of a share of .95.
LOW, HIGH = 0.93, 0.97
MONTE_CARLO = 2 * np.sqrt(0.95 * 0.05 / AUDITS)

pytestmark = pytest.mark.slow


def check(what: str, held: list[bool], *, high: float = HIGH) -> None:
    share = float(np.mean(held))
    print(f"{what}: {share:.1%} of {len(held)}")
    assert LOW - MONTE_CARLO <= share <= high + MONTE_CARLO, what


@pytest.mark.parametrize("n", [100, 1000, 10_000])
@pytest.mark.parametrize("population", [NOTHING, *WEAK, FEW_EXPOSED, STRONG], ids=str)
def test_auc_covers(population: Population, n: int) -> None:
    rng = np.random.default_rng(n)
    held = [auc(*population.draw(n, n, rng)).holds(population.auc) for _ in range(AUDITS)]
    check(f"AUC, {population}, n = {n}", held)


@pytest.mark.parametrize(("n", "fpr"), [(1000, 0.01), (3000, 0.01), (10_000, 0.01), (10_000, 0.001)])
@pytest.mark.parametrize("population", [NOTHING, *WEAK, FEW_EXPOSED, STRONG], ids=str)
def test_tpr_covers(population: Population, n: int, fpr: float) -> None:
    rng = np.random.default_rng(n)
    estimates = [tpr_at_fpr(roc(*population.draw(n, n, rng)), fpr) for _ in range(AUDITS)]
    truth = population.tpr(fpr)
    naive = np.mean([e.at_threshold[0] <= truth <= e.at_threshold[1] for e in estimates])
    check(
        f"TPR@{fpr:.1%}, {population}, n = {n}, "
        f"Clopper-Pearson at the realised threshold alone {naive:.1%}, this interval",
        [e.holds(truth) for e in estimates],
    )


@pytest.mark.parametrize(("m", "n"), [(300, 3000), (3000, 1000)])
def test_tpr_covers_with_uneven_sides(m: int, n: int) -> None:
    rng = np.random.default_rng(n)
    held = [tpr_at_fpr(roc(*WEAK[2].draw(m, n, rng)), 0.01).holds(WEAK[2].tpr(0.01)) for _ in range(AUDITS)]
    check(f"TPR@1%, {WEAK[2]}, {m} members, {n} non-members", held)


# Scores whose false-positive rates lie between the two are tied: one tie, or a grid of them.
ATOMS = [[(0.0, 0.009)], [(0.0, 0.0099)], [(0.0, 0.0101)], [(0.004, 0.011)], [(0.007, 0.0101)], [(0.009, 0.03)]]
GRIDS = [list(itertools.pairwise(np.arange(0.0, 1.0 + step, step).tolist())) for step in (0.0005, 0.002, 0.0035, 0.007)]


@pytest.mark.parametrize("ties", [*ATOMS, *GRIDS], ids=lambda ties: f"{len(ties)} from {ties[0]}")
@pytest.mark.parametrize("population", [NOTHING, WEAK[2], STRONG], ids=str)
def test_tpr_covers_with_ties(population: Population, ties: list[tuple[float, float]]) -> None:
    # The population's step function ends where the tie begins that holds the rate.
    rate = next((start for start, end in ties if start + 1e-12 < 0.01 < end - 1e-12), 0.01)
    starts, ends = (np.array(side) for side in zip(*ties, strict=True))
    rng = np.random.default_rng(0)
    held = []
    for _ in range(AUDITS):
        scores, membership = population.draw(1000, 1000, rng)
        rates = norm.sf(scores)
        at = np.searchsorted(starts, rates, side="right") - 1
        rates = np.where((at >= 0) & (rates < ends[at]), ends[at], rates)
        held.append(tpr_at_fpr(roc(-rates, membership), 0.01).holds(population.tpr(rate)))
    check(f"TPR@1%, {population}, {len(ties)} ties from {ties[0]}", held, high=1.0)


@pytest.mark.parametrize("n", [200, 500])
@pytest.mark.parametrize("population", [NOTHING, WEAK[2], STRONG], ids=str)
def test_unresolvable_tpr_still_covers(population: Population, n: int) -> None:
    # Fewer than 10 expected false positives: wide, but never overconfident.
    rng = np.random.default_rng(n)
    held = [tpr_at_fpr(roc(*population.draw(n, n, rng)), 0.01).holds(population.tpr(0.01)) for _ in range(AUDITS)]
    check(f"TPR@1% not resolvable, {population}, n = {n}", held, high=1.0)


@pytest.mark.parametrize("fpr", [0.01, 0.001])
def test_exact_interval_covers_the_rate_of_the_realised_threshold(fpr: float) -> None:
    n, population = 10_000, WEAK[2]
    rng = np.random.default_rng(7)
    held = []
    for _ in range(AUDITS):
        scores, membership = population.draw(n, n, rng)
        estimate = tpr_at_fpr(roc(scores, membership), fpr)
        # The rule "above the next non-member": the same members, and a threshold that no member has chosen.
        cut = np.sort(scores[membership == 0])[-1 - estimate.false_positives]
        truth = population.tpr_above(cut)
        held.append(estimate.at_threshold[0] <= truth <= estimate.at_threshold[1])
    check(f"TPR of the realised threshold, FPR {fpr:.1%}", held)


@pytest.mark.parametrize("n", [200, 2000])
def test_paired_difference_covers(n: int) -> None:
    rng = np.random.default_rng(n)
    held = []
    for _ in range(AUDITS):
        scores, membership = WEAK[2].draw(n, n, rng)
        noisy = scores + rng.normal(size=2 * n)  # twice the variance: the shift counts for a factor sqrt(2) less
        truth = WEAK[2].auc - Population(WEAK[2].shift / np.sqrt(2)).auc
        held.append(auc_difference(scores, noisy, membership).holds(truth))
    check(f"paired AUC difference, n = {n}", held)


@pytest.mark.parametrize(("threshold", "n"), [(0.2, 100), (0.2, 1000), (2.5, 200)])
def test_balanced_accuracy_covers(threshold: float, n: int) -> None:
    rng = np.random.default_rng(n)
    truth = (WEAK[2].tpr_above(threshold) + 1 - NOTHING.tpr_above(threshold)) / 2
    held = [balanced_accuracy(*WEAK[2].draw(n, n, rng), threshold).holds(truth) for _ in range(AUDITS)]
    check(f"balanced accuracy at {threshold}, n = {n}", held, high=0.985)
