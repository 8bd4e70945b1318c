"""What an app shows: top-k keeps what it should, votes stay off 0 and 1, and refusals say what to do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.attacks._signals import signals
from harness.config import AttackConfig
from harness.data.exposed_outputs import VECTOR, Exposure, Votes, require_usable, top_k, vote_shares
from harness.errors import UsageError
from harness.types import FloatArray, Observations
from tests.attacks.simulated import simulate_audit


def confidences(n: int, classes: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.3), n)


@given(classes=st.integers(2, 12), k=st.integers(1, 14), seed=st.integers(0, 10_000))
def test_top_k_keeps_the_largest_and_spreads_the_rest_evenly(classes: int, k: int, seed: int) -> None:
    whole = confidences(7, classes, seed)
    shown = top_k(whole, k)
    np.testing.assert_allclose(shown.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_array_equal(shown.argmax(axis=1), whole.argmax(axis=1))
    order = np.argsort(-whole, axis=1)
    kept, rest = (np.take_along_axis(shown, part, axis=1) for part in (order[:, :k], order[:, k:]))
    np.testing.assert_array_equal(kept, np.take_along_axis(whole, order[:, :k], axis=1))
    if rest.shape[1]:
        np.testing.assert_allclose(rest, rest[:, :1] * np.ones(rest.shape[1]), rtol=1e-9)
        assert (rest <= kept[:, -1:] + 1e-12).all(), "the hidden classes stay below those that are shown"


def test_top_k_hides_nothing_where_one_class_is_left() -> None:
    whole = confidences(5, 4)
    for k in (3, 4, 9):
        np.testing.assert_array_equal(top_k(whole, k), whole)


def test_of_equal_confidences_the_first_classes_are_shown() -> None:
    shown = top_k(np.array([[0.1, 0.3, 0.3, 0.3, 0.0]]), 2)
    np.testing.assert_allclose(shown, [[0.4 / 3, 0.3, 0.3, 0.4 / 3, 0.4 / 3]])


def test_a_rounded_softmax_hides_half_a_step_and_not_nothing() -> None:
    """A hidden zero taken for 1e-30 would outweigh every other record in a logit-scaled attack."""
    steps = np.array([[256, 0, 0, 0, 0], [200, 50, 6, 0, 0], [255, 1, 0, 0, 0], [100, 90, 50, 15, 1]]) / 256
    shown = top_k(steps, 1)
    np.testing.assert_allclose(shown.sum(axis=1), 1.0)
    assert shown.min() > 1e-4
    assert 1 - shown[0, 0] == pytest.approx(1 / 512, rel=0.01)


def test_vote_shares_are_the_smoothed_share_of_the_copies_and_the_record() -> None:
    counts = np.array([[16.0, 0, 0, 0], [4, 12, 0, 0], [0, 0, 16, 0]])
    shares = vote_shares(np.array([0, 0, 0]), 4, Votes(counts, 16.0))
    np.testing.assert_allclose(shares[0], np.array([17 + 1 / 8, 1 / 8, 1 / 8, 1 / 8]) / 17.5)
    np.testing.assert_allclose(shares[1], np.array([5 + 1 / 8, 12 + 1 / 8, 1 / 8, 1 / 8]) / 17.5)
    np.testing.assert_allclose(shares[2], np.array([1 + 1 / 8, 1 / 8, 16 + 1 / 8, 1 / 8]) / 17.5)
    assert np.isfinite(np.log(shares) - np.log1p(-shares)).all()


def test_without_copies_the_class_alone_speaks() -> None:
    shares = vote_shares(np.array([2, 0]), 3, None)
    assert shares.argmax(axis=1).tolist() == [2, 0]
    assert shares[0, 2] == shares[1, 0] > shares[0, 0] == shares[1, 1]


@pytest.mark.parametrize("kind", ["confidences", "logits"])
def test_the_label_alone_says_nothing_of_the_confidence(kind: str) -> None:
    """Two models that answer the same classes, one of them surer, look the same."""
    answers = np.random.default_rng(1).normal(size=(60, 5))
    labels = np.zeros(60, dtype=np.int64)
    seen = []
    for sureness in (1.0, 7.0):
        values = answers * sureness
        if kind == "confidences":
            values = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
        one = Observations(
            labels,
            confidences={"original": values} if kind == "confidences" else {},
            logits={"original": values} if kind == "logits" else {},
            sensitivity={"original": np.ones((60, 5))},
        )
        shown = Exposure("label").restrict(one, {})
        assert shown.sensitivity == {}
        seen.append(shown.confidences_of("original"))
    np.testing.assert_array_equal(seen[0], seen[1])


def test_the_vector_is_left_alone_and_top_k_shows_confidences_of_logits() -> None:
    target = simulate_audit(leak=1.0, classes=6, kind="logits").target
    assert VECTOR.restrict(target, {}) is target
    shown = Exposure("top-k", 2).restrict(target, {})
    assert shown.variants == target.variants
    assert shown.logits == {}
    variant = target.variants[0]
    np.testing.assert_allclose(shown.confidences_of(variant), top_k(target.confidences_of(variant), 2))


def test_an_exposure_survives_its_json() -> None:
    for one in (VECTOR, Exposure("top-k", 5), Exposure("label", copies=16), Exposure("label", copies=None)):
        assert Exposure.from_json(one.to_json()) == one
    assert Exposure("label", copies=16).to_json()["queries"] == 17
    assert Exposure("label", copies=None).to_json()["queries"] is None
    assert Exposure.from_json({}).answers == "vector"


def test_the_configuration_says_what_is_shown() -> None:
    assert Exposure.of(AttackConfig()) == VECTOR
    assert Exposure.of(AttackConfig(answers="top-k", top_k=2)) == Exposure("top-k", 2)
    assert Exposure.of(AttackConfig(answers="label", label_copies=8)).copies == 8


@pytest.mark.parametrize("exposure", [Exposure("label", copies=4), Exposure("top-k")])
def test_samia_is_refused_where_no_whole_vector_is_shown(exposure: Exposure) -> None:
    with pytest.raises(UsageError, match=r"'samia' compares the confidence vectors of noisy copies.*leave samia out"):
        require_usable(["confidence", "samia"], exposure)
    require_usable(["confidence", "rmia", "lira", "correctness"], exposure)
    require_usable(None, exposure)
    require_usable(["samia"], VECTOR)


def test_records_with_the_same_votes_have_the_same_score_whatever_their_class() -> None:
    """Rounding by the order of the classes would break ties between records that nothing distinguishes."""
    classes, n = 7, 70
    labels = np.arange(n) % classes
    counts = np.eye(classes)[labels] * 12.0
    seen = Observations(labels, confidences={"original": np.eye(classes)[labels]})
    shown = Exposure("label", copies=12).restrict(seen, {"original": Votes(counts, 12.0)})
    found = signals(shown, "original")
    for name in ("log_p", "logit", "margin", "log_max", "correct"):
        assert len(np.unique(getattr(found, name))) == 1, name
