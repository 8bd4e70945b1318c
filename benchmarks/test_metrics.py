"""Metrics at 100,000 scores beside what else is installed, in one run: ``pytest benchmarks/test_metrics.py -s``.

Times are the best of interleaved rounds on this machine; only the ratios and the shares travel.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import betaincinv
from sklearn.metrics import roc_auc_score, roc_curve

from harness.stats import Roc, auc, epsilon_lower, null_calibration, roc, tpr_at_fpr

SIDE = 50_000
ROUNDS = 15


def audit(side: int, shift: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    scores = rng.normal(size=2 * side)
    scores[:side] += shift
    return scores, np.repeat([1, 0], side)


def best_of(functions: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Seconds of the fastest call of each function, called in turn."""
    best = dict.fromkeys(functions, np.inf)
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def uncorrected_epsilon(curve: Roc, alpha: float = 0.05) -> float:
    """What others report: Clopper-Pearson of both rates at every threshold, and the best of them all."""
    tp, fp, m, n = curve.tp[1:-1], curve.fp[1:-1], curve.n_members, curve.n_nonmembers
    tpr_low = np.where(tp > 0, betaincinv(np.maximum(tp, 1), m - tp + 1, alpha / 2), 0.0)
    fpr_high = np.where(fp < n, betaincinv(fp + 1, np.maximum(n - fp, 1), 1 - alpha / 2), 1.0)
    with np.errstate(divide="ignore"):
        return float(max(0.0, np.log(tpr_low / fpr_high).max(), np.log((1 - fpr_high) / (1 - tpr_low)).max()))


def test_all_metrics_with_intervals_beside_sklearn_without():
    scores, membership = audit(SIDE, 0.742, np.random.default_rng(0))

    def ours() -> object:
        curve = roc(scores, membership)
        return auc(curve), tpr_at_fpr(curve, 0.01), tpr_at_fpr(curve, 0.001), epsilon_lower(curve)

    def sklearn() -> object:
        return roc_curve(membership, scores), roc_auc_score(membership, scores)

    curve = roc(scores, membership)
    seconds = best_of(
        {
            "edgeleak: ROC, AUC, TPR@1%, TPR@0.1%, their intervals, epsilon": ours,
            "scikit-learn: roc_curve, roc_auc_score, no intervals": sklearn,
            "  of which edgeleak's ROC (one sort)": lambda: roc(scores, membership),
            "  edgeleak's epsilon, valid after the search": lambda: epsilon_lower(curve),
            "  epsilon at every threshold, uncorrected": lambda: uncorrected_epsilon(curve),
        }
    )
    print(f"\n{2 * SIDE} scores, best of {ROUNDS}")
    for name, value in seconds.items():
        print(f"  {value * 1e3:9.2f} ms  {name}")
    first, second, *_ = seconds.values()
    print(f"  ratio {second / first:.1f}")
    assert auc(curve).value == pytest.approx(roc_auc_score(membership, scores), abs=1e-12)
    assert first < second


@pytest.mark.parametrize("side", [500, 5000])
def test_false_alarms_without_leakage(side):
    runs, rng = 200, np.random.default_rng(side)
    curves = [roc(*audit(side, 0.0, rng)) for _ in range(runs)]
    corrected = np.mean([epsilon_lower(curve).value > 0 for curve in curves])
    uncorrected = np.mean([uncorrected_epsilon(curve) > 0 for curve in curves])
    print(f"\nno leakage, {side} + {side} records, {runs} audits: a 95% bound of epsilon is positive in")
    print(f"  {corrected:6.1%}  edgeleak\n  {uncorrected:6.1%}  Clopper-Pearson at every threshold, the best taken")
    assert corrected <= 0.05


def test_null_calibration_of_a_hundred_attacks():
    rng = np.random.default_rng(0)
    membership = np.repeat([1, 0], 400)
    common = rng.normal(size=800)
    scores = {f"attack-{i}": common + rng.normal(size=800) for i in range(100)}
    seconds = best_of({"it": lambda: null_calibration(scores, membership, permutations=500)}, rounds=3)["it"]
    print(f"\nnull calibration, 100 attacks x 800 records x 500 permutations: {seconds:.2f} s")
