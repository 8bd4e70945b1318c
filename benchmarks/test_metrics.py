"""Metrics at 100,000 scores beside what else is there, in one run: ``pytest benchmarks/test_metrics.py -q -s``.

Times are medians of interleaved rounds, processor time with one thread each; only the ratios travel.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy
import sklearn
from sklearn.metrics import roc_auc_score, roc_curve

from benchmarks._peers import Peer
from benchmarks._timing import Timed, medians, table
from benchmarks._uncorrected import uncorrected_epsilon
from harness.stats import Estimate, auc, epsilon_lower, null_calibration, roc, tpr_at_fpr

SIDE = 50_000
ROUNDS = 7


@pytest.fixture(scope="module")
def audit() -> tuple[np.ndarray, np.ndarray]:
    """Scores of 50,000 members and as many non-members, AUC .70."""
    scores = np.random.default_rng(0).normal(size=2 * SIDE)
    scores[:SIDE] += 0.742
    return scores, np.repeat([1, 0], SIDE)


def metrics(scores: np.ndarray, membership: np.ndarray, *, with_epsilon: bool = False) -> list[Estimate]:
    """What an audit reads off one attack's scores."""
    curve = roc(scores, membership)
    found = [auc(curve), tpr_at_fpr(curve, 0.01), tpr_at_fpr(curve, 0.001)]
    return [*found, epsilon_lower(curve)] if with_epsilon else found


def test_all_metrics_with_intervals_beside_sklearn_without(audit: tuple[np.ndarray, np.ndarray]) -> None:
    scores, membership = audit
    curve = roc(scores, membership)
    ratios = table(
        f"{2 * SIDE:,} scores, scipy {scipy.__version__}, scikit-learn {sklearn.__version__}",
        medians(
            {
                "edgeleak: ROC, AUC, TPR@1%, TPR@0.1%, their intervals": lambda: metrics(scores, membership),
                "  of which the ROC (one sort)": lambda: roc(scores, membership),
                "scikit-learn: roc_curve, roc_auc_score, no intervals": lambda: (
                    roc_curve(membership, scores),
                    roc_auc_score(membership, scores),
                ),
                "edgeleak: epsilon, valid after the search": lambda: epsilon_lower(curve),
                "epsilon at every threshold, uncorrected": lambda: uncorrected_epsilon(curve),
            },
            ROUNDS,
        ),
    )
    assert auc(curve).value == pytest.approx(roc_auc_score(membership, scores), abs=1e-12)
    assert ratios["scikit-learn: roc_curve, roc_auc_score, no intervals"] > 1


def test_all_metrics_beside_tf_privacy(audit: tuple[np.ndarray, np.ndarray], tfp: Peer) -> None:
    scores, membership = audit

    def theirs() -> Timed:
        return tfp(scores=scores, membership=membership)

    name = "TF Privacy: threshold attack, AUC, epsilon"
    ratios = table(
        f"{2 * SIDE:,} scores, scipy {scipy.__version__}; {tfp.versions}",
        medians(
            {
                "edgeleak: ROC, AUC, TPR@1%, TPR@0.1%, their intervals": lambda: metrics(scores, membership),
                "edgeleak: the same and epsilon": lambda: metrics(scores, membership, with_epsilon=True),
                name: theirs,
            },
            ROUNDS,
        ),
    )
    assert theirs().values["auc"] == pytest.approx(auc(scores, membership).value, abs=1e-9)
    assert ratios[name] > 4


def test_null_calibration_of_a_hundred_attacks() -> None:
    rng = np.random.default_rng(0)
    membership = np.repeat([1, 0], 400)
    common = rng.normal(size=800)
    scores = {f"attack-{i}": common + rng.normal(size=800) for i in range(100)}
    table(
        "Null calibration, 100 attacks x 800 records x 500 permutations",
        medians({"edgeleak": lambda: null_calibration(scores, membership, permutations=500)}),
    )
