"""Bounds of differential privacy: on all ordinary records, and on canaries that were inserted by a fair coin."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.audit.context import Context
from harness.audit.privacy import MIN_CANARIES, keep_privacy, of_answers
from harness.audit.stages.attack import evaluate_all
from harness.config import parse
from harness.results import AttackFindings, PrivacyFindings
from harness.store import Run
from harness.types import Observations
from tests.attacks.simulated import simulate_audit

NAMES = ("confidence", "sr2-lr")
VIEWS = 3  # NR on each of two variants, SR on both


def simulated(leak: float, *, canaries: int, coin: float = 0.5, seed: int = 0) -> tuple[Observations, Observations]:
    """The target on 400 ordinary records, and on canaries of which this share was trained on."""
    audit = simulate_audit(leak=leak, n=4000, shadows=0, variants=("original", "int8"), seed=seed)
    target, rng = audit.target, np.random.default_rng(seed + 1)
    assert target.membership is not None
    sides = [rng.permutation(np.flatnonzero(target.membership == side)) for side in (1, 0)]
    members = round(coin * canaries)
    rows = np.concatenate([sides[0][:members], sides[1][: canaries - members]])
    canary = np.zeros(len(target), dtype=np.int64)
    canary[rows] = 1
    ordinary = np.flatnonzero(canary == 0)[:400]
    return target.take(ordinary), target.take(np.sort(rows))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    table: dict[str, Any] = {"name": "x", "answers": {"file": "a.npz"}, "attack": {"names": NAMES}}
    with Run.open(tmp_path / "run", parse(table)) as run:
        yield run


def audited(run: Run, target: Observations, canaries: Observations | None, **attack: Any) -> PrivacyFindings:
    """What is kept of an audit of these records, cross-fitted over the ordinary ones."""
    config = run.config.with_changes(attack=run.config.attack.model_copy(update=attack))
    assert target.membership is not None
    run.arrays.write_membership("audit", "target", membership=target.membership, training=target.membership)
    context = Context(lambda _label, _done, _total: None, config.device)
    findings = evaluate_all(
        config, run, context, lambda _runtime: (target, []), runtimes=("",), controls=(), names=NAMES
    )
    keep_privacy(config, run, findings, of_answers(canaries, target, ()))
    return PrivacyFindings.from_json(json.loads((run.folder / "results/privacy.json").read_text()))


def test_canaries_that_leak_bound_epsilon_and_every_bound_says_of_how_many(run: Run) -> None:
    found = audited(run, *simulated(6.0, canaries=500))
    assert found.canaries is not None
    assert (found.canaries.n, found.canaries.n_members, found.canaries.refused) == (500, 250, "")
    assert found.canaries.coin_p_value == 1.0
    assert len(found.canaries.bounds) == VIEWS
    for one in found.canaries.bounds:
        assert one.reason == ""
        assert one.epsilon.n == 500
        assert one.epsilon.level == pytest.approx(1 - 0.05 / VIEWS)
        assert one.epsilon.low > 0.5


def test_canaries_that_do_not_leak_bound_nothing(run: Run) -> None:
    found = audited(run, *simulated(0.0, canaries=500))
    assert found.canaries is not None
    assert all(one.epsilon.low < 0.5 for one in found.canaries.bounds)


@pytest.mark.parametrize(
    ("canaries", "coin", "word"),
    [(MIN_CANARIES - 2, 0.5, "insert at least 50"), (200, 0.8, "alone: decide for each canary by a coin of its own")],
    ids=["too few", "no fair coin"],
)
def test_canaries_that_cannot_bound_anything_are_refused_with_the_reason(
    run: Run, canaries: int, coin: float, word: str
) -> None:
    found = audited(run, *simulated(6.0, canaries=canaries, coin=coin))
    assert found.canaries is not None
    assert word in found.canaries.refused
    assert found.canaries.bounds == ()
    assert found.canaries.n == canaries


def test_whose_membership_the_canaries_have_changes_no_score(run: Run) -> None:
    """The attack is fitted on ordinary records: turning all coins over turns right guesses into wrong ones."""
    target, canaries = simulated(6.0, canaries=500)
    assert canaries.membership is not None
    turned = replace(canaries, membership=1 - canaries.membership)
    found = audited(run, target, turned)
    assert found.canaries is not None
    assert all(one.epsilon.low == 0.0 for one in found.canaries.bounds)


def test_all_ordinary_records_are_bounded_at_the_delta_of_the_audit(run: Run) -> None:
    target, _ = simulated(6.0, canaries=100)
    found = audited(run, target, None, delta=1e-4)
    assert found.canaries is None
    assert found.delta == 1e-4
    assert len(found.bounds) == VIEWS
    for one in found.bounds:
        assert one.epsilon.n == one.mu.n == 400
        assert one.epsilon.level == one.mu.level == pytest.approx(1 - 0.05 / (2 * VIEWS))
        assert one.epsilon.low > 0.0
        assert one.mu.low > 0.0
        assert one.gaussian_epsilon.low > 0.0
    pure = audited(run, target, None, delta=0.0)
    for one, relaxed in zip(pure.bounds, found.bounds, strict=True):
        assert one.mu == relaxed.mu
        assert one.epsilon.low >= relaxed.epsilon.low, "a delta allows more"
        assert math.isnan(one.gaussian_epsilon.low), "a Gaussian mechanism is never purely private"


def test_an_audit_without_a_result_bounds_nothing(run: Run) -> None:
    target, canaries = simulated(0.0, canaries=100)
    assert target.membership is not None
    run.arrays.write_membership("audit", "target", membership=target.membership, training=target.membership)
    keep_privacy(run.config, run, AttackFindings(), of_answers(canaries, target, ()))
    found = PrivacyFindings.from_json(json.loads((run.folder / "results/privacy.json").read_text()))
    assert found.bounds == ()
