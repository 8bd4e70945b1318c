"""Defects of published audit code that must not come back: each test fails if it does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness import stats
from harness.attacks import evaluate
from harness.attacks._cache import Cache
from harness.attacks._class_thresholds import class_thresholds
from harness.attacks._classifiers import make_classifier, sklearn_trainer
from harness.attacks._folds import fold_of_rows
from harness.attacks._mr import MrLogistic
from harness.attacks._signals import signals
from harness.types import Observations
from tests.attacks.simulated import SimulatedAudit, membership_of, simulate_audit


@pytest.fixture(scope="module")
def audit() -> SimulatedAudit:
    return simulate_audit(leak=1.5, n=200, n_shadow=200, n_population=60)


def test_each_column_of_losses_comes_from_its_own_shadow_and_variant(audit: SimulatedAudit) -> None:
    """D2: one leftover variable put the last model's loss into every column of every shadow."""
    attack = MrLogistic(["original", "prune-0.6", "int8-ptq"])
    for shadow in audit.shadows:
        losses = attack._losses(shadow)
        assert losses.shape == (len(shadow), 2)
        for column, variant in zip(losses.T, ("prune-0.6", "int8-ptq"), strict=True):
            np.testing.assert_array_equal(column, -signals(shadow, variant).log_p)
        assert not np.allclose(losses[:, 0], losses[:, 1])
    assert not np.allclose(attack._losses(audit.shadows[0]), attack._losses(audit.shadows[1]))


def test_the_stack_learns_from_out_of_fold_scores(audit: SimulatedAudit) -> None:
    """D5: in-sample first-level scores rank far better than out-of-fold ones."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(400) % 2)
    x = rng.normal(size=(400, 30))
    fold = np.arange(400) % 5
    out_of_fold, scorer = sklearn_trainer("rf", seed=0, n_jobs=1)(x, y, fold)
    assert stats.auc(scorer(x), y).value > 0.8  # in sample
    assert stats.auc(out_of_fold, y).holds(0.5)
    stack = MrLogistic(["original", "prune-0.6", "int8-ptq"]).fit(audit.shadows)
    first = stack._first_level(audit.shadows)
    for fit in first:
        again = np.concatenate([fit.scores_on(s) for s in audit.shadows])
        y_all = np.concatenate([s.membership for s in audit.shadows])
        assert stats.auc(again, y_all).value > stats.auc(fit.out_of_fold, y_all).value + 0.02


def test_a_record_of_two_shadows_is_in_one_fold() -> None:
    """D5: folds are by record, whichever shadow it occurs in and wherever."""

    rng = np.random.default_rng(1)
    shadows = [
        Observations(
            labels=np.zeros(100, dtype=np.int64),
            membership=rng.permutation(np.arange(100) % 2),
            ids=rng.permutation(150)[:100],
        )
        for _ in range(2)
    ]
    fold = fold_of_rows(shadows, folds=5, seed=0)
    ids = np.concatenate([s.ids for s in shadows if s.ids is not None])
    for record in np.unique(ids):
        assert len(set(fold[ids == record])) == 1


def test_scaling_is_learned_on_shadow_rows_only() -> None:
    """D6: the reference code refits its scaler on the rows that it scores."""
    rng = np.random.default_rng(2)
    x = rng.normal(5.0, 3.0, (200, 3))
    y = (x[:, 0] > 5).astype(np.int64)
    model = make_classifier("lr", seed=0, n_jobs=1)
    model.fit(x, y)
    far = np.array([[50.0, 5.0, 5.0]])
    assert model.predict_proba(far)[0, 1] > 0.99
    np.testing.assert_allclose(model.predict_proba(np.repeat(far, 9, axis=0))[:, 1], model.predict_proba(far)[0, 1])


def test_rates_are_fractions_for_every_classifier(audit: SimulatedAudit) -> None:
    """D7: some rates were per cent, some not, all printed with a per-cent sign."""
    names = ("posterior-label-lr", "posterior-label-rf", "sr2-dt", "sr2-mlp", "gbt")
    variants = ("original", "int8-ptq")
    for r in evaluate(audit.target, audit.shadows, attacks=names, variants=variants, fprs=(0.1,)).results:
        for estimate in (r.auc, r.balanced_accuracy, r.tpr_at_fpr["0.1"]):
            assert 0.0 <= estimate.low <= estimate.high <= 1.0
            # Ties that hide a rate leave it without a value; a decision tree has few scores.
            assert estimate.low <= estimate.value <= estimate.high or not estimate.resolvable


def test_a_class_without_records_takes_the_global_cut() -> None:
    """D12: a cut that starts at 0 never calls a member where scores are negative, as entropies are."""
    rng = np.random.default_rng(3)
    scores = -rng.exponential(size=300) - np.repeat([0.0, 1.0], 150)
    membership = np.repeat([1, 0], 150)
    cuts = class_thresholds(scores, membership, np.zeros(300, dtype=np.int64), 3)
    assert cuts[1] == cuts[2] == stats.best_threshold(scores, membership) < 0


def test_the_targets_membership_reaches_no_attack(audit: SimulatedAudit) -> None:
    """D4: epochs and cuts were chosen on the audited records; here scores do not depend on their membership."""
    names = ("modified-entropy-class", "gbt", "rmia", "lira", "sr", "mr-logistic", "lira-joint")
    variants = ("original", "prune-0.6", "int8-ptq")
    flipped = replace(audit.target, membership=1 - membership_of(audit.target))
    for a, b in zip(
        evaluate(audit.target, audit.shadows, attacks=names, variants=variants).results,
        evaluate(flipped, audit.shadows, attacks=names, variants=variants).results,
        strict=True,
    ):
        np.testing.assert_array_equal(a.scores, b.scores)
        np.testing.assert_equal(a.threshold, b.threshold)  # NaN where every class has its own
        assert a.auc.value == pytest.approx(1 - b.auc.value)


def test_two_caches_share_no_entry(audit: SimulatedAudit) -> None:
    a, b = Cache(), Cache()
    a.get("key", [audit.target], lambda: 1)
    assert b.get("key", [audit.target], lambda: 2) == 2
