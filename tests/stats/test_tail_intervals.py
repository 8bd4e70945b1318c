"""Do intervals hold the truth at the levels of simultaneous intervals, from 1 - .05 / 50 to 1 - .05 / 500?"""

import numpy as np
import pytest
from scipy.stats import binom

from harness.stats import epsilon_lower, roc, tpr_at_fpr
from harness.stats._melded import melded_mean

from .populations import NOTHING, STRONG, WEAK, Population

# An interval may miss this many times as often as its level says.
EXCESS = 1.2


def tpr_misses(population: Population, m: int, n: int, fpr: float, level: float, audits: int) -> float:
    """Misses of the interval of the TPR over the misses that its level allows, less three standard errors."""
    rng = np.random.default_rng([m, n])
    truth = population.tpr(fpr)
    misses = sum(not tpr_at_fpr(roc(*population.draw(m, n, rng)), fpr, level=level).holds(truth) for _ in range(audits))
    allowed = EXCESS * (1.0 - level) * audits
    print(f"TPR@{fpr:.1%} at {level}, {population}, {m} + {n}: {misses} of {audits} miss, {allowed:.1f} may")
    return float(misses - allowed - 3.0 * np.sqrt(allowed))


def test_a_tpr_interval_at_a_level_of_999_in_1000_misses_no_more_often() -> None:
    # 3.6 are allowed in 3000 audits; the straight line alone missed in 29.
    assert tpr_misses(STRONG, 3000, 1000, 0.01, 0.999, 3000) <= 0.0


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("m", "n", "fpr"),
    [
        (1000, 1000, 0.01),
        (1000, 1000, 0.05),
        (200, 200, 0.05),
        (50, 1000, 0.01),
        (25, 25, 0.05),
        (10_000, 10_000, 0.001),
    ],
)
@pytest.mark.parametrize("population", [NOTHING, WEAK[1], WEAK[2], STRONG], ids=str)
def test_tpr_intervals_at_simultaneous_levels_miss_no_more_often(
    population: Population, m: int, n: int, fpr: float
) -> None:
    audits = 5000 if m + n <= 2000 else 2000
    assert tpr_misses(population, m, n, fpr, 1 - 0.05 / 70, audits) <= 0.0


def accuracy_misses(m: int, n: int, tpr: float, tnr: float, level: float) -> float:
    """Misses of the interval of balanced accuracy over what its level allows, from the exact laws of the counts."""
    law_m, law_n = binom.pmf(np.arange(m + 1), m, tpr), binom.pmf(np.arange(n + 1), n, tnr)
    missed = 0.0
    for tp in np.flatnonzero(law_m > 1e-7):
        for tn in np.flatnonzero(law_n > 1e-7):
            chance = law_m[tp] * law_n[tn]
            if chance > 1e-8:
                low, high = melded_mean((int(tp), m), (int(tn), n), level=level)
                missed += chance * (not low - 1e-12 <= (tpr + tnr) / 2 <= high + 1e-12)
    return float(missed / (1.0 - level))


@pytest.mark.parametrize(
    ("m", "n", "tpr", "tnr"),
    [
        (25, 25, 0.6, 0.6),
        (25, 25, 0.99, 0.99),  # 52 times as often as allowed where halves are squared and added
        (50, 1000, 0.99, 0.01),  # the largest label alone at an accuracy of 99%: 6 times
        pytest.param(50, 1000, 0.99, 0.99, marks=pytest.mark.slow),  # 12 times
        pytest.param(200, 200, 0.99, 0.99, marks=pytest.mark.slow),  # 18 times
        pytest.param(50, 1000, 0.05, 0.999, marks=pytest.mark.slow),  # 3 times
        pytest.param(200, 200, 0.9, 0.9, marks=pytest.mark.slow),
    ],
)
def test_balanced_accuracy_at_simultaneous_levels_misses_no_more_often(m: int, n: int, tpr: float, tnr: float) -> None:
    for level in (0.999, 0.9999):
        share = accuracy_misses(m, n, tpr, tnr, level)
        print(f"balanced accuracy at {level}, {m} + {n}, TPR {tpr}, TNR {tnr}: misses {share:.2f} times the allowed")
        assert share <= EXCESS


@pytest.mark.parametrize(("m", "n"), [(25, 25), (50, 1000)])
def test_without_leakage_the_bound_of_epsilon_is_above_zero_no_more_often_than_its_level(m: int, n: int) -> None:
    rng = np.random.default_rng(0)
    audits = 2000
    for level in (0.95, 0.999):
        positive = sum(epsilon_lower(roc(*NOTHING.draw(m, n, rng)), level=level).value > 0 for _ in range(audits))
        print(f"epsilon above zero at {level}, {m} + {n}: {positive} of {audits}")
        assert positive <= (1 - level) * audits + 3 * np.sqrt((1 - level) * audits)
