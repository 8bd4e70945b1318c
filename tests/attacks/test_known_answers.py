"""Every formula against a plain transcription of its definition, record by record."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from harness.attacks import evaluate
from harness.attacks._cache import Cache
from harness.attacks._class_thresholds import class_thresholds
from harness.attacks._lira import lira_offline, lira_online
from harness.attacks._lira_joint import shrunk_covariance
from harness.attacks._registry import attack_class
from harness.attacks._rmia import Rmia, pairwise_exceedance, ratios
from harness.attacks._signals import signals
from harness.attacks._sr import sorted_pair
from harness.types import FloatArray, Observations
from tests.attacks.simulated import membership_of, population_of, simulate_audit, softmax

N, C = 120, 5


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


@pytest.fixture
def seen(rng: np.random.Generator) -> Observations:
    labels = rng.integers(0, C, N)
    return Observations(
        labels=labels,
        confidences={"original": softmax(rng.normal(0, 2, (N, C))), "variant": softmax(rng.normal(0, 2, (N, C)))},
        membership=rng.permutation(np.arange(N) % 2),
    )


def test_signals_are_their_definitions(seen: Observations) -> None:
    s = signals(seen, "original")
    for i, (p, y) in enumerate(zip(seen.confidences["original"], seen.labels, strict=True)):
        others = [k for k in range(C) if k != y]
        expected = {
            "log_p": np.log(p[y]),
            "logit": np.log(p[y]) - np.log(sum(p[k] for k in others)),
            "margin": np.log(p[y]) - max(np.log(p[k]) for k in others),
            "log_max": np.log(max(p)),
            "entropy": -sum(q * np.log(q) for q in p),
            "modified_entropy": -(1 - p[y]) * np.log(p[y]) - sum(p[k] * np.log(1 - p[k]) for k in others),
            "correct": float(np.argmax(p) == y),
        }
        for name, value in expected.items():
            assert getattr(s, name)[i] == pytest.approx(value, abs=1e-12), name


def test_signals_of_logits_equal_those_of_their_softmax(rng: np.random.Generator) -> None:
    logits, labels = rng.normal(0, 3, (N, C)), rng.integers(0, C, N)
    a = signals(Observations(labels=labels, logits={"v": logits}), "v")
    b = signals(Observations(labels=labels, confidences={"v": softmax(logits)}), "v")
    for name in ("log_p", "logit", "margin", "log_max", "entropy", "modified_entropy", "correct"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-9, atol=1e-12)


def test_saturated_records_have_different_signals() -> None:
    margins = np.array([40.0, 60.0, 80.0, 100.0])
    logits = np.stack([margins, np.zeros(4), np.zeros(4)], axis=1)
    s = signals(Observations(labels=np.zeros(4, dtype=np.int64), logits={"v": logits}), "v")
    for name in ("log_p", "logit", "log_max", "modified_entropy"):
        assert len(np.unique(getattr(s, name))) == 4, name
    float32 = np.array([[1.0, 1e-9], [1.0, 1e-10], [1.0, 1e-12]], dtype=np.float32)
    s = signals(Observations(labels=np.zeros(3, dtype=np.int64), confidences={"v": float32}), "v")
    assert (np.diff(s.log_p) > 0).all()


def test_rows_of_an_8_bit_softmax_are_used_without_rescaling() -> None:
    p = np.array([[254, 1, 0], [255, 0, 0], [128, 64, 60]]) / 256.0
    s = signals(Observations(labels=np.zeros(3, dtype=np.int64), confidences={"v": p}), "v")
    np.testing.assert_allclose(s.log_p, np.log(p[:, 0]))
    assert all(np.isfinite(getattr(s, name)).all() for name in ("logit", "margin", "entropy", "modified_entropy"))


def test_class_thresholds_are_the_best_cut_of_each_class(rng: np.random.Generator) -> None:
    scores, labels = rng.normal(size=600).round(2), rng.integers(0, 4, 600)
    labels[labels == 3] = np.where(rng.random((labels == 3).sum()) < 0.8, 2, 3)
    membership = (rng.random(600) < 0.5).astype(np.int64)
    cuts = class_thresholds(scores, membership, labels, 5)

    def accuracy(cut: float, rows: NDArray[np.int64]) -> float:
        s, m = scores[rows], membership[rows]
        return float(0.5 * ((s[m == 1] >= cut).mean() + (s[m == 0] < cut).mean()))

    everyone = np.arange(600)
    for c in range(5):
        own = np.flatnonzero(labels == c)
        few = min(membership[own].sum(), len(own) - membership[own].sum()) < 20
        rows = everyone if few else own
        best = max(accuracy(t, rows) for t in (*scores[rows], np.inf))
        assert accuracy(cuts[c], rows) == pytest.approx(best, abs=1e-12)
        # A midpoint, not an observed score, unless everybody is called a member.
        assert cuts[c] not in scores[rows][scores[rows] > scores[rows].min()]
    assert cuts[4] == cuts[3] or (labels == 3).sum() >= 40  # an empty class has the global cut


def test_the_class_threshold_attack_cuts_its_scores_where_the_class_thresholds_do(seen: Observations) -> None:
    attack = attack_class("modified-entropy-class")(["original"]).fit([seen])
    raw = -signals(seen, "original").modified_entropy
    cuts = class_thresholds(raw, membership_of(seen), seen.labels, C)
    np.testing.assert_array_equal(attack.score(seen) >= attack.cut_of(seen), raw >= cuts[seen.labels])


@pytest.mark.parametrize("with_label", [False, True])
def test_sorted_pairs_are_the_published_features(seen: Observations, with_label: bool) -> None:
    p, q = (seen.confidences[variant].astype(np.float64) for variant in ("original", "variant"))
    got = sorted_pair(p, q, seen.labels, with_label=with_label)
    for i in range(N):
        order = sorted(range(C), key=lambda k: p[i, k])
        row = [p[i, k] for k in order] + [q[i, k] for k in order]
        if with_label:
            row += [float(k == seen.labels[i]) for k in order]
        np.testing.assert_allclose(got[i], row, rtol=0, atol=1e-12)


def test_sorted_pairs_are_stable_under_ties() -> None:
    p = np.array([[0.25, 0.25, 0.25, 0.25]])
    q = np.array([[0.1, 0.2, 0.3, 0.4]])
    got = sorted_pair(p, q, np.array([2]), with_label=True)
    np.testing.assert_array_equal(got, [[0.25] * 4 + [0.1, 0.2, 0.3, 0.4] + [0, 0, 1, 0]])


@pytest.mark.parametrize(("gamma", "digits"), list(itertools.product([0.7, 1.0, 1.3, 2.0], [1, 2, 16])))
def test_rmia_equals_the_pairwise_formula_bit_for_bit(rng: np.random.Generator, gamma: float, digits: int) -> None:
    x, z = (rng.lognormal(0, 1, size).round(digits) + 1e-3 for size in (700, 300))
    z[:50] = x[:50]
    z[50:80] = x[50:80] / gamma  # as near the boundary as rounding allows
    np.testing.assert_array_equal(pairwise_exceedance(x, z, gamma), (x[:, None] / z[None, :] > gamma).mean(axis=1))


def test_rmia_attack_is_the_papers_formula() -> None:
    audit = simulate_audit(leak=1.0, n=80, n_shadow=80, n_population=60)
    attack = Rmia(["prune-0.6"]).fit(audit.shadows)

    def p_y(o: Observations) -> FloatArray:
        return softmax(o.logits["prune-0.6"].astype(np.float64))[np.arange(len(o)), o.labels]

    t, z = audit.target, population_of(audit.target)
    mean_x = np.mean([p_y(r) for r in t.references], axis=0)
    ratio_x = p_y(t) / (0.5 * ((1 + attack.a) * mean_x + (1 - attack.a)))
    ratio_z = p_y(z) / np.mean([p_y(r) for r in z.references], axis=0)
    expected = (ratio_x[:, None] / ratio_z[None, :] > attack.gamma).mean(axis=1)
    # Confidences are computed in another order of operations here, which may move single pairs over the boundary.
    np.testing.assert_allclose(attack.score(t), expected, atol=1.5 / len(z))


def test_rmia_leaves_references_trained_on_the_record_out() -> None:
    references = np.array([[0.9, 0.2], [0.5, 0.4]])
    out = np.array([[False, True], [True, True]])
    got = ratios(np.array([0.8, 0.6]), references, out, a=0.5)
    np.testing.assert_allclose(got, [0.8 / (0.5 * (1.5 * 0.5 + 0.5)), 0.6 / (0.5 * (1.5 * 0.3 + 0.5))])


def test_lira_offline_equals_a_loop_over_records(rng: np.random.Generator) -> None:
    logits, references = rng.normal(1, 2, N), rng.normal(0, 2, (8, N))
    out = rng.random((8, N)) < 0.6
    out[:3] = True
    per_record = lira_offline(logits, references, out, per_record=True)
    pooled = lira_offline(logits, references, out, per_record=False)
    residuals, degrees = 0.0, 0
    for i in range(N):
        mine = references[out[:, i], i]
        residuals += ((mine - mine.mean()) ** 2).sum()
        degrees += len(mine) - 1
        assert norm.cdf(per_record[i]) == pytest.approx(norm.cdf(logits[i], mine.mean(), mine.std(ddof=1)), abs=1e-12)
    for i in range(N):
        mean = references[out[:, i], i].mean()
        assert pooled[i] == pytest.approx((logits[i] - mean) / np.sqrt(residuals / degrees), abs=1e-10)


def test_lira_online_equals_a_loop_over_records(rng: np.random.Generator) -> None:
    logits, references = rng.normal(1, 2, N), rng.normal(0, 2, (12, N))
    out = np.arange(12)[:, None] % 2 == np.arange(N)[None, :] % 2
    got = lira_online(logits, references, out, per_record=True)
    for i in range(N):
        inside, outside = references[~out[:, i], i], references[out[:, i], i]
        expected = norm.logpdf(logits[i], inside.mean(), inside.std(ddof=1)) - norm.logpdf(
            logits[i], outside.mean(), outside.std(ddof=1)
        )
        assert got[i] == pytest.approx(expected, abs=1e-9)


def test_lira_of_one_reference_ranks_by_the_difference(rng: np.random.Generator) -> None:
    logits, references = rng.normal(size=N), rng.normal(size=(1, N))
    got = lira_offline(logits, references, np.ones((1, N), dtype=bool))
    np.testing.assert_allclose(got, logits - references[0])


def test_covariance_shrinks_towards_its_diagonal(rng: np.random.Generator) -> None:
    mixed = rng.multivariate_normal([0, 0], [[1.0, 0.8], [0.8, 1.0]], 5000)
    assert shrunk_covariance(mixed)[0, 1] == pytest.approx(0.8, abs=0.05)
    few = shrunk_covariance(rng.normal(size=(6, 4)))
    assert np.linalg.eigvalsh(few).min() > 0
    identical = shrunk_covariance(np.repeat(rng.normal(size=(50, 1)), 3, axis=1))
    assert np.linalg.eigvalsh(identical).min() > 0
    np.testing.assert_array_equal(shrunk_covariance(np.zeros((50, 3))), np.eye(3))


def test_yeom_cuts_at_the_mean_loss_of_the_shadows_members(seen: Observations) -> None:
    attack = attack_class("yeom")(["original"]).fit([seen, seen])
    loss = -np.log(seen.confidences["original"][np.arange(N), seen.labels])
    assert -attack.threshold == pytest.approx(loss[seen.membership == 1].mean(), abs=1e-12)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("correctness", lambda p, y: float(np.argmax(p) == y)),
        ("max-posterior", lambda p, _: np.log(np.max(p))),
        ("confidence", lambda p, y: np.log(p[y])),
        ("yeom", lambda p, y: np.log(p[y])),
        ("entropy", lambda p, _: np.sum(p * np.log(p))),
        (
            "modified-entropy",
            lambda p, y: (1 - p[y]) * np.log(p[y]) + np.sum(np.delete(p * np.log1p(-p), y)),
        ),
    ],
)
def test_each_formula_attack_scores_its_formula(
    seen: Observations, name: str, formula: Callable[[NDArray[np.float64], int], float]
) -> None:
    got = attack_class(name)(["variant"]).fit([seen]).score(seen)
    expected = [formula(p, y) for p, y in zip(seen.confidences["variant"], seen.labels, strict=True)]
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_auc_of_the_correctness_attack_is_one_half_plus_half_the_gap_in_accuracy(seen: Observations) -> None:
    """Its score is 0 or 1: AUC and balanced accuracy are both one half plus half of the members' advantage."""
    member = seen.membership == 1
    # Members that are right two times in three, and non-members as they are: so that the accuracies differ.
    labels = np.where(member & (np.arange(N) % 3 > 0), seen.confidences["original"].argmax(axis=1), seen.labels)
    right = seen.confidences["original"].argmax(axis=1) == labels
    audit = replace(seen, labels=labels)
    (result,) = evaluate(audit, [audit], attacks=("correctness",), variants=("original",)).results
    advantage = right[member].mean() - right[~member].mean()
    assert advantage > 0.3
    assert result.auc.value == pytest.approx(0.5 + advantage / 2, abs=1e-12)
    assert result.balanced_accuracy.value == pytest.approx(0.5 + advantage / 2, abs=1e-12)


def test_a_cache_computes_an_entry_once(seen: Observations) -> None:
    cache, calls = Cache(), []
    for _ in range(2):
        cache.get("key", [seen], lambda: calls.append(1))
    assert calls == [1]
    cache.get("key", [seen.take(np.arange(5))], lambda: calls.append(1))
    assert calls == [1, 1]
