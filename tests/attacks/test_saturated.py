"""8-bit softmaxes: a confidence of zero stands for half a step, and floats are left as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from harness import stats
from harness.attacks import attack_class
from harness.attacks._half_step import half_step
from harness.attacks._signals import signals
from harness.types import Observations
from tests.attacks.simulated import membership_of, simulate_audit, softmax


def in_steps(confidences: NDArray[np.float64], steps: int = 256) -> NDArray[np.float32]:
    """What an 8-bit softmax answers: multiples of 1/256, at most 255 of them."""
    return (np.clip(np.rint(confidences * steps), 0, 255) / steps).astype(np.float32)


def quantized(o: Observations) -> Observations:
    """The same observations through an 8-bit softmax."""
    return replace(
        o,
        logits={},
        confidences={v: in_steps(softmax(x.astype(np.float64))) for v, x in o.logits.items()},
        references=tuple(map(quantized, o.references)),
        population=None if o.population is None else quantized(o.population),
    )


@pytest.mark.parametrize(("steps", "expected"), [(256, 1 / 512), (255, 1 / 510), (100, 1 / 200)])
def test_the_step_of_a_rounded_softmax_is_recognised(steps: int, expected: float) -> None:
    confidences = softmax(np.random.default_rng(0).normal(0, 3, (400, 8)))
    assert half_step(in_steps(confidences, steps)) == pytest.approx(expected)


def test_a_float_softmax_and_answers_of_one_class_have_no_step() -> None:
    rng = np.random.default_rng(1)
    for scale in (0.1, 1.0, 8.0, 80.0):
        assert half_step(softmax(rng.normal(0, scale, (400, 8))).astype(np.float32)) == 0.0
    assert half_step(np.eye(4, dtype=np.float32)) == 0.0
    one_more = in_steps(softmax(rng.normal(0, 3, (400, 8))))
    one_more[7, 0] += 2e-4
    assert half_step(one_more) == 0.0


def test_signals_of_confidences_in_steps_are_floored_at_half_a_step() -> None:
    p = np.array([[0, 255, 1], [255, 0, 0], [254, 1, 0], [128, 64, 60]]) / 256.0
    s = signals(Observations(labels=np.zeros(4, dtype=np.int64), confidences={"v": p}), "v")
    half = 1 / 512
    np.testing.assert_allclose(s.log_p, np.log([half, *p[1:, 0]]))
    np.testing.assert_allclose(
        s.logit, [np.log(half / (1 - half)), np.log(255), np.log(254 / 2), np.log(1.0)], atol=1e-12
    )
    np.testing.assert_allclose(s.margin, np.log([half / p[0, 1], p[1, 0] / half, 254, 2]))
    certain = np.array([[255, 0], [0, 255], [100, 155]]) / 255.0
    s = signals(Observations(labels=np.zeros(3, dtype=np.int64), confidences={"v": certain}), "v")
    np.testing.assert_allclose(s.logit[:2], [np.log(509), -np.log(509)], atol=1e-9)


def test_signals_of_a_float_softmax_reach_beyond_half_a_step() -> None:
    p = np.array([[1.0, 1e-9], [1e-9, 1.0], [0.3, 0.7]], dtype=np.float32)
    s = signals(Observations(labels=np.zeros(3, dtype=np.int64), confidences={"v": p}), "v")
    np.testing.assert_allclose(s.logit[:2], [np.log(1e9), -np.log(1e9)], rtol=1e-6)


@pytest.mark.parametrize("name", ["lira", "base", "rmia"])
def test_an_8_bit_softmax_costs_an_attack_with_references_little(name: str) -> None:
    audit = simulate_audit(
        leak=4.0, n=3000, n_shadow=300, n_population=200, shadows=4, classes=10, variants=("original",)
    )
    in_floats, in_bytes = (
        attack_class(name)(["original"]).fit(shadows).score(target)
        for target, shadows in (
            (audit.target, audit.shadows),
            (quantized(audit.target), [quantized(s) for s in audit.shadows]),
        )
    )
    member = membership_of(audit.target)
    assert stats.auc(in_bytes, member).value > stats.auc(in_floats, member).value - 0.02
    exact, rounded = (stats.tpr_at_fpr(stats.roc(x, member), 0.05).value for x in (in_floats, in_bytes))
    assert rounded > 0.7 * exact > 0.1
