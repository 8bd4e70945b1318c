"""What every generator prints, how it is judged, and the verdicts on claims."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studies.mis_synthetic import floats, near_codes
from studies.mis_synthetic.claims import HOLDS, OPPOSITE, UNRESOLVED, claims
from studies.mis_synthetic.judged import judged
from studies.mis_synthetic.learners import Learner, Logistic, Mean, Records, Regression
from studies.mis_synthetic.logistic_law import draw_logistic
from studies.mis_synthetic.page import COST
from studies.mis_synthetic.predictions import CANDIDATES, GENERATORS, Budget, by_candidates, by_coordinates
from studies.mis_synthetic.regression_law import draw_regression

LEARNERS = [Mean(), Regression(), Logistic(ridge=1e-2)]


def records(n: int, d: int = 6, seed: int = 0) -> Records:
    rng = np.random.default_rng(seed)
    return Records(rng.standard_normal((n, d)) + 0.3, rng.integers(0, 2, n).astype(np.float64))


@pytest.mark.parametrize("learner", LEARNERS)
def test_gradients_and_curvature_are_those_of_the_losses(learner: Learner) -> None:
    some, weights, step = records(40), np.linspace(-0.5, 0.7, 6), 1e-5
    shifts = step * np.eye(6)
    up, down = learner.losses(weights + shifts, some), learner.losses(weights - shifts, some)
    assert learner.gradients(weights, some) == pytest.approx((up - down).T / (2 * step), abs=1e-6)
    slopes = [
        (learner.gradients(weights + s, some) - learner.gradients(weights - s, some)).mean(axis=0) for s in shifts
    ]
    assert learner.curvature(weights, some) == pytest.approx(np.array(slopes) / (2 * step), abs=1e-6)
    gradient = learner.gradients(learner.fit(some), some).mean(axis=0) + learner.ridge * learner.fit(some)
    assert gradient == pytest.approx(np.zeros(6), abs=1e-3)


@pytest.mark.parametrize("learner", LEARNERS)
def test_the_last_epochs_end_at_the_fit_and_refits_spread_around_it(learner: Learner) -> None:
    some = records(300)
    fitted = learner.fit(some)
    kept = floats.trajectory(learner, some, 12, np.random.default_rng(0))
    refits = floats.bootstrap(learner, some, 12, seed=0)
    noisy = floats.perturbation(learner, some, 12, np.random.default_rng(0))
    assert np.linalg.norm(kept[0] - fitted) < 0.3 * refits[1:].std(axis=0).sum()
    assert (refits[0] == fitted).all()
    assert (noisy[0] == fitted).all()
    assert {each.shape for each in (kept, refits, noisy)} == {(12, 6)}
    assert (noisy[1:] != fitted).all()


def test_joint_flips_are_the_near_ties_that_all_codes_have() -> None:
    law = draw_regression(3, 0.8)
    training = law.records(200, np.random.default_rng(0))
    grid = law.grids["ternary-0.33"]
    around = near_codes.around(Regression(), Regression().fit(training), grid, training)
    found = near_codes.joint_flips(around, 8)
    every = law.decoded(np.arange(81), "ternary-0.33")
    losses = Regression().losses(every, training)
    gaps = losses - losses[losses.mean(axis=1).argmin()]
    ratio = gaps.mean(axis=1) / np.maximum(gaps.std(axis=1), 1e-12)
    closest = every[np.argsort(ratio)[:8]]
    same = sum((closest == code).all(axis=1).any() for code in found)
    assert same >= 6  # the deployed code is among them, and the covariance is taken there
    flips = near_codes.single_flips(around, 8)
    assert ((flips[1:] != flips[0]).sum(axis=1) == 1).all()


def test_every_generator_prints_a_figure_or_says_that_nothing_was_probed() -> None:
    law = draw_regression(2, 0.5)
    rng = np.random.default_rng(0)
    training, evaluation = law.records(100, rng), law.records(500, rng)
    printed = by_candidates(Regression(), training, law.grids, evaluation, budget=Budget(6, 8), seed=1)
    undecided = by_coordinates(Regression(), training, law.grids, refits=7, seed=1)
    assert set(printed) == set(undecided) == set(law.grids)
    for name, rows in printed.items():
        assert set(rows) == set(CANDIDATES)
        assert {*rows, *undecided[name]} == set(GENERATORS) == set(COST)
        for row in (*rows.values(), *undecided[name].values()):
            assert (row["delta"] is None) == (row["status"] == "single_candidate")
            if row["delta"] is not None:
                value, low, high = row["delta"]
                assert 0.0 <= value <= 1.0
                assert low is None or low <= value <= high
    assert by_coordinates(Regression(), training, law.grids, refits=7, seed=1) == undecided


def test_noise_of_logistic_laws_is_as_correlated_as_asked_for() -> None:
    law = draw_logistic(1, 2, 0.8)
    features = law.records(6000, np.random.default_rng(0)).features
    covariance = np.cov(features, rowvar=False) - np.cov(law.modes, rowvar=False, ddof=0)
    assert np.diag(covariance).mean() == pytest.approx(1.0, abs=0.05)
    assert np.diag(covariance, 1).mean() == pytest.approx(0.8, abs=0.05)
    assert np.diag(covariance, 3).mean() == pytest.approx(0.8**3, abs=0.05)


def row(law: int, quantizer: str, truth: float, printed: float, *, kind: str = "mixture", attacker: float = 0.0) -> Any:
    delta = {"delta": [printed, 0.9 * printed, 1.1 * printed], "status": "ok", "r": 1.0 - printed, "k": 2}
    return {
        "law": f"{kind}-{law:02}",
        "kind": kind,
        "correlation": 0.0,
        "modes": 2,
        "n": 100,
        "quantizer": quantizer,
        "learner": "rounded",
        "truth": {"value": truth, "low": 0.98 * truth, "high": 1.02 * truth},
        "attacker": {"value": attacker, "low": attacker - 0.01, "high": attacker + 0.01},
        "printed": dict.fromkeys(GENERATORS, delta),
    }


def one(rows: list[Any], laws: str, figure: str) -> Any:
    return next(r for r in judged(rows) if (r["laws"], r["figure"]) == (laws, figure))


def test_a_generator_that_knows_the_truth_beats_bits_and_one_that_turns_it_round_does_not() -> None:
    leaks = {"sign": 0.3, "ternary-0.33": 0.1, "uniform-2": 0.2}
    right = [row(law, q, leak, leak) for law in range(5) for q, leak in leaks.items()]
    wrong = [row(law, q, leak, 0.4 - leak) for law in range(5) for q, leak in leaks.items()]
    assert one(right, "all rounded", "joint flips")["tau"]["value"] == 1.0
    assert one(right, "all rounded", "joint flips")["beyond bits per weight"]["low"] > 0.0
    assert one(right, "all rounded", "joint flips")["ratio"] == pytest.approx([1.0, 1.0, 1.0])
    assert one(wrong, "all rounded", "joint flips")["beyond bits per weight"]["high"] < 0.0


def test_an_attacker_above_the_interval_contradicts_it() -> None:
    rows = [row(law, q, 0.3, 0.1, attacker=0.3) for law in range(4) for q in ("sign", "uniform-2")]
    share = one(rows, "all rounded", "coordinates")["contradicted"]
    assert (share["value"], share["n"]) == (1.0, 8)
    assert share["low"] == pytest.approx(0.025 ** (1 / 4))  # as of four laws, not of eight rows
    below = one([row(law, "sign", 0.3, 0.29, attacker=0.3) for law in range(4)], "all rounded", "coordinates")
    assert below["contradicted"]["value"] == 0.0


@pytest.mark.parametrize(
    ("sparse", "noise", "verdict"), [(0.05, 0.0, HOLDS), (0.4, 0.0, OPPOSITE), (0.2, 0.15, UNRESOLVED)]
)
def test_a_claim_holds_only_against_every_other_quantizer(sparse: float, noise: float, verdict: str) -> None:
    rng = np.random.default_rng(0)
    rows = [
        row(law, q, leak * float(np.exp(noise * rng.standard_normal())), 0.1)
        for law in range(5)
        for q, leak in {"sign": 0.2, "ternary-0.33": 0.3, "ternary-0.9": sparse}.items()
    ]
    first = claims(rows)[0]
    assert first["claim"].startswith("90% sparse")
    assert first["by"]["truth"]["verdict"] == verdict
    assert first["by"]["truth"]["closest"] == "sign"
    assert first["by"]["predicted Delta"]["verdict"] == UNRESOLVED  # all are predicted alike
