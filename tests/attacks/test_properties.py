"""Scores do not depend on the order of records, the names of classes or the number of threads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from harness.attacks import evaluate
from harness.attacks._folds import fold_of_rows
from harness.attacks._registry import attack_class
from harness.attacks._rmia import pairwise_exceedance
from harness.attacks._sr import sorted_pair
from harness.types import FloatArray, Observations
from tests.attacks.simulated import SimulatedAudit, simulate_audit

positive = st.floats(1e-12, 1e12, allow_nan=False)
FORMULAS = ("correctness", "max-posterior", "confidence", "entropy", "modified-entropy", "gbt", "lira", "rmia")


@pytest.fixture(scope="module")
def audit() -> SimulatedAudit:
    return simulate_audit(leak=1.0, n=150, n_shadow=150, n_population=80)


@settings(deadline=None, max_examples=150)
@given(
    x=npst.arrays(np.float64, st.integers(1, 30), elements=positive),
    z=npst.arrays(np.float64, st.integers(1, 30), elements=positive),
    gamma=st.floats(0.01, 100),
    share=st.booleans(),
)
def test_rmia_is_bit_equal_for_any_positive_ratios(x: FloatArray, z: FloatArray, gamma: float, share: bool) -> None:
    if share:  # boundaries that only rounding decides
        z = np.concatenate([z, x, x / gamma, np.nextafter(x / gamma, 0)])
        z = z[z > 0]
    np.testing.assert_array_equal(pairwise_exceedance(x, z, gamma), (x[:, None] / z[None, :] > gamma).mean(axis=1))


def reordered(o: Observations, classes: NDArray[np.int64]) -> Observations:
    """The same answers with class c renamed ``classes[c]``."""
    back = np.argsort(classes)
    return replace(
        o,
        labels=classes[o.labels],
        logits={k: v[:, back] for k, v in o.logits.items()},
        confidences={k: v[:, back] for k, v in o.confidences.items()},
        references=tuple(reordered(r, classes) for r in o.references),
        population=None if o.population is None else reordered(o.population, classes),
    )


@pytest.mark.parametrize("name", FORMULAS)
def test_renaming_classes_changes_no_label_aligned_score(audit: SimulatedAudit, name: str) -> None:
    classes = np.random.default_rng(3).permutation(audit.target.n_classes)
    plain = attack_class(name)(["original"]).fit(audit.shadows).score(audit.target)
    renamed_audit = [reordered(o, classes) for o in (audit.target, *audit.shadows)]
    renamed = attack_class(name)(["original"]).fit(renamed_audit[1:]).score(renamed_audit[0])
    # A sum over classes in another order rounds differently, which may move a record over a split or a pair.
    assert np.median(np.abs(plain - renamed)) <= 1e-9
    assert np.corrcoef(plain, renamed)[0, 1] > 0.999


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(60, 90), classes=st.integers(2, 7), scale=st.floats(0.5, 8.0))
def test_names_of_classes_and_order_of_records_change_no_figure(seed: int, n: int, classes: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    membership = (rng.permutation(n) < n // 2).astype(np.int64)

    def drawn(name: str) -> Observations:
        logits = rng.normal(size=(n, classes)) * scale
        return Observations(labels=rng.integers(0, classes, n), logits={"v": logits}, membership=membership, name=name)

    target, shadow = drawn("target"), drawn("shadow/0")
    names, rows = rng.permutation(classes), rng.permutation(n)
    formulas = ("correctness", "max-posterior", "confidence", "entropy", "modified-entropy")
    plain, renamed, moved = (
        evaluate(t, [s], attacks=formulas, fprs=(0.4,)).results
        for t, s in (
            (target, shadow),
            (reordered(target, names), reordered(shadow, names)),
            (target.take(rows), shadow),
        )
    )
    for one, *others in zip(plain, renamed, moved, strict=True):
        for other in others:
            assert other.auc.value == pytest.approx(one.auc.value, abs=1e-12), one.attack
            assert other.balanced_accuracy.value == pytest.approx(one.balanced_accuracy.value, abs=1e-12), one.attack
            # NaN where a tie hides the attack: then in all three.
            rate = pytest.approx(one.tpr_at_fpr["0.4"].value, abs=1e-12, nan_ok=True)
            assert other.tpr_at_fpr["0.4"].value == rate, one.attack


def test_renaming_classes_changes_no_sorted_pair() -> None:
    rng = np.random.default_rng(4)
    p, q, y = rng.random((50, 6)), rng.random((50, 6)), rng.integers(0, 6, 50)
    classes = rng.permutation(6)
    back = np.argsort(classes)
    np.testing.assert_array_equal(
        sorted_pair(p, q, y, with_label=True), sorted_pair(p[:, back], q[:, back], classes[y], with_label=True)
    )


@pytest.mark.parametrize("name", [*FORMULAS, "modified-entropy-class", "posterior-lr"])
def test_the_order_of_the_targets_records_does_not_matter(audit: SimulatedAudit, name: str) -> None:
    order = np.random.default_rng(5).permutation(len(audit.target))
    attack = attack_class(name)(["original"]).fit(audit.shadows)
    # A matrix product in float32 rounds by a row's place in it.
    atol = 1e-6 if name == "posterior-lr" else 1e-12
    np.testing.assert_allclose(attack.score(audit.target)[order], attack.score(audit.target.take(order)), atol=atol)


@settings(deadline=None, max_examples=60)
@given(st.integers(20, 120), st.integers(1, 3), st.integers(2, 5), st.integers(0, 5))
def test_folds_hold_each_record_once_and_membership_evenly(n: int, shadows: int, folds: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    members = [rng.permutation(np.arange(n) % 2) for _ in range(shadows)]
    labels = np.zeros(n, dtype=np.int64)
    seen = [Observations(labels=labels, membership=m) for m in members]
    fold = fold_of_rows(seen, folds=folds, seed=seed)
    by_shadow = fold.reshape(shadows, n)
    assert (by_shadow == by_shadow[0]).all()  # a record has one fold in every shadow
    sizes = np.bincount(by_shadow[0], minlength=folds)
    assert sizes.max() - sizes.min() <= 1
    if shadows == 1:
        per_fold = np.array([members[0][by_shadow[0] == k].sum() for k in range(folds)])
        assert per_fold.max() - per_fold.min() <= 1


def test_one_seed_gives_one_result_with_any_number_of_threads(audit: SimulatedAudit) -> None:
    names = ("posterior-rf", "gbt", "mr-gbt")
    variants = ("prune-0.6", "int8-ptq")
    once, again = (
        evaluate(audit.target, audit.shadows, attacks=names, variants=variants, n_jobs=jobs, seed=3) for jobs in (1, 2)
    )
    for a, b in zip(once.results, again.results, strict=True):
        np.testing.assert_allclose(a.scores, b.scores, rtol=0, atol=1e-12)
