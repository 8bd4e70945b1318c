"""`mis.estimate`: every degenerate case has its status, results are reproducible and become JSON."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import ArrayLike

import harness.mis
from harness.errors import InputError
from harness.mis import QuantizerMis, estimate, rank, ranked
from harness.types import FloatArray
from tests.mis.simulated import rivals

JSON_KEYS = {
    "r",
    "ci",
    "r_naive",
    "n_r",
    "leakage",
    "mis_predicted",
    "k_eff",
    "regime",
    "status",
    "rank_probabilities",
}


def one(losses: ArrayLike, *, n: int = 100, **options: Any) -> QuantizerMis:
    return estimate({"q": np.asarray(losses, dtype=np.float64)}, n=n, draws=200, **options)[0]


RNG = np.random.default_rng(12)
X = RNG.standard_normal(400)
X -= X.mean()
ZERO = np.zeros(400)
RARE = np.where(np.arange(400) < 40, 1.0, 0.0)
CASES = {
    "single_candidate": np.stack([X, X, X]),
    "tie": np.stack([ZERO, np.where(np.arange(400) % 2, 1.0, -1.0)]),
    "never_beaten": np.stack([ZERO, RNG.permutation(np.where(np.arange(400) < 200, 1.0, 0.0))]),
    "unresolved": np.stack([ZERO, X + 0.04]),
    "extrapolated": np.stack([ZERO, RNG.permutation(np.r_[np.full(392, 1.0), np.full(8, -0.5)])]),
    "ok": rivals(RNG, [0.5, 0.8], 400),
}


@pytest.mark.parametrize("status", CASES)
@pytest.mark.parametrize("method", ["gauss", "chernoff"])
def test_every_degenerate_case_has_its_status(status: str, method: str) -> None:
    result = one(CASES[status], method=method)
    assert result.status == status or (status, result.status) == ("unresolved", "ref_not_minimiser")
    assert not math.isnan(result.r.value + result.r_naive + result.r_chernoff)
    assert result.leakage.is_probed == (status != "single_candidate")
    assert result.r.low <= result.r.value <= result.r.high
    assert 0.0 <= result.leakage.delta.low <= result.leakage.delta.high <= 1.0


def test_a_single_candidate_gives_an_unresolvable_estimate() -> None:
    result = one(CASES["single_candidate"])
    assert (result.r.value, result.r.low, result.r.resolvable) == (math.inf, 0.0, False)
    assert (result.leakage.mis, result.k, result.k_eff) == (None, 3, 1)
    assert result.rank_probabilities == ()


def test_a_tie_leaks_like_one_over_root_n() -> None:
    result = one(CASES["tie"], n=10_000)
    assert (result.r_naive, result.regime) == (0.0, "local")
    m1 = 1.0  # E|X| / sigma of a fair coin
    # The upper end is that of the tie, integrated with 16,384 draws.
    assert result.leakage.delta.high == pytest.approx(m1 / math.sqrt(2 * math.pi * 10_000), rel=0.05)


def test_a_rival_that_is_worse_by_a_constant_is_no_evidence() -> None:
    result = one(np.stack([X, X + 0.5]))
    assert (result.r.value, result.r.low, result.r.resolvable, result.status) == (math.inf, 0.0, False, "never_beaten")
    assert (result.leakage.mis, result.leakage.delta.high, result.rank_probabilities) == (None, 1.0, ())
    mixed = one(np.stack([X, X + 0.5, X + RNG.standard_normal(400) + 0.5]))
    assert mixed.r.value == pytest.approx(0.125, rel=0.5)
    assert mixed.leakage.is_probed


def test_the_regime_says_which_limit_is_near() -> None:
    near, far = (
        one(rivals(np.random.default_rng(1), [0.05] * 8, 2000)),
        one(rivals(np.random.default_rng(1), [0.3], 2000)),
    )
    assert (near.regime, far.regime) == ("local", "moderate")
    assert near.r_floor == 1.92 / 2000
    assert far.n_r == 100 * far.r.value


def test_an_exponent_of_thousands_of_nats_stays_finite() -> None:
    losses = np.stack([np.zeros(4000), RNG.standard_normal(4000) + 1.0])
    result = one(losses, n=100_000)
    assert result.leakage.plug_in == pytest.approx(-5.0e4, rel=0.1)
    assert (result.regime, result.status) == ("tail", "ok")


def test_the_deployed_candidate_is_tested_against_the_best() -> None:
    losses = rivals(np.random.default_rng(3), [0.5, 0.0], 600)
    assert "not_erm" in one(losses, deployed={"q": 1}).flags
    assert "not_erm" not in one(losses, deployed={"q": 0}).flags
    assert "not_erm" not in one(losses, deployed={"q": 2}).flags


def test_flags_name_what_weakens_the_estimate() -> None:
    x = RNG.permutation(np.where(np.arange(2000) < 200, -1.0, 1.0))
    assert "gauss_optimistic" in one(np.stack([0 * x, x])).flags
    assert "few_points" in one(CASES["ok"], n=1_000_000).flags
    assert "few_points" not in one(CASES["ok"], n=100).flags
    heavy = RNG.standard_normal(400) + 0.5
    heavy[7] = 60.0
    assert "heavy_tails" in one(np.stack([ZERO, heavy])).flags
    both = estimate({"a": CASES["ok"], "b": CASES["ok"][:2]}, n=100, draws=200)
    assert all("unequal_candidates" in q.flags for q in both)


@pytest.mark.parametrize("method", ["gauss", "chernoff"])
def test_the_same_seed_gives_the_same_bits(method: str) -> None:
    table = {"a": CASES["ok"], "b": rivals(np.random.default_rng(5), [0.1] * 6, 400)}
    first, again, other = (
        [json.dumps(q.to_json()) for q in estimate(table, n=50, draws=200, seed=s, method=method)] for s in (3, 3, 4)
    )
    assert first == again
    assert first != other


def test_json_has_the_keys_that_reports_read_and_no_nan() -> None:
    for losses in CASES.values():
        row = json.loads(json.dumps(one(losses).to_json(), allow_nan=False))
        assert set(row) >= JSON_KEYS
        assert len(row["ci"]) == 2
        assert set(row["leakage"]) >= {"delta", "logs", "law", "status", "needed_records", "plug_in"}


def test_float32_losses_give_the_estimate_of_float64_losses() -> None:
    losses = rivals(np.random.default_rng(5), [0.3, 0.4], 500)
    assert one(losses.astype(np.float32)).r.value == pytest.approx(one(losses).r.value, rel=1e-5)


def test_the_ranking_puts_single_candidates_last_and_orders_ties_by_leakage() -> None:
    table = {
        "unprobed": CASES["single_candidate"],
        "near": rivals(np.random.default_rng(1), [0.02], 400),
        "nearer": rivals(np.random.default_rng(2), [0.0] * 20, 400),
        "far": CASES["ok"],
    }
    rows = rank(table, n=200, draws=200, utility={"far": 0.9})
    assert [row.name for row in rows] == ["far", "near", "nearer", "unprobed"]
    assert (rows[0].utility, rows[1].utility) == (0.9, None)
    assert rows[1].leakage.logs[0] < rows[2].leakage.logs[0]
    assert ranked(estimate(table, n=200, draws=200), utility={"far": 0.9}) == rows


@settings(deadline=None, max_examples=40)
@given(arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(25, 35)), elements=st.floats(-1e90, 1e90)))
def test_any_finite_matrix_gives_an_answer_without_nan(losses: FloatArray) -> None:
    result = one(losses, n=20)
    json.dumps(result.to_json(), allow_nan=False)
    assert result.r.low <= result.r.value <= result.r.high
    assert 0.0 <= result.leakage.delta.low <= result.leakage.delta.high <= 1.0


@pytest.mark.parametrize("tiny", [5e-324, 1e-300, 1e-160, 1e-20])
@pytest.mark.parametrize("method", ["gauss", "chernoff"])
def test_differences_of_rounding_size_are_neither_wins_nor_losses(tiny: float, method: str) -> None:
    result = one([[0.0, 1.0, tiny, tiny], [tiny, tiny, -tiny, tiny]], method=method)
    json.dumps(result.to_json(), allow_nan=False)
    assert result.status in ("unresolved", "never_beaten")


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(4, 40), st.sampled_from(["gauss", "chernoff"]))
def test_any_lattice_gives_an_answer_without_nan(seed: int, k: int, points: int, method: str) -> None:
    losses = np.random.default_rng(seed).integers(0, 2, (k, points)).astype(np.float64)
    json.dumps(one(losses, n=20, method=method).to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        ({}, {}, "no quantizer"),
        ({"int8": np.full((2, 9), np.nan)}, {}, "losses/int8: candidate 0, record 0"),
        ({"int8": np.full((2, 9), 1e200)}, {}, "losses/int8: candidate 0, record 0 is NaN, infinite or beyond"),
        ({"int8": np.zeros((2, 1))}, {}, "losses/int8: 1 evaluation record"),
        ({"int8": np.zeros(9)}, {}, "losses/int8: shape"),
        ({"a": np.zeros((2, 9)), "b": np.zeros((2, 8))}, {}, "losses/b: 8 records where losses/a has 9"),
        ({"a": np.zeros((2, 9))}, {"n": 1}, "n=1"),
        ({"a": np.zeros((2, 9))}, {"deployed": {"b": 0}}, "'b' is none"),
        ({"a": np.zeros((2, 9))}, {"deployed": {"a": 2}}, "deployed/a: 2"),
    ],
)
def test_bad_losses_n_and_deployed_candidates_are_refused_by_key(
    table: dict[str, FloatArray], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        estimate(table, **({"n": 10} | options))


def test_the_package_exports_its_public_names() -> None:
    assert sorted(harness.mis.__all__) == harness.mis.__all__
    assert all(hasattr(harness.mis, name) for name in harness.mis.__all__)
    assert {"estimate", "exact_delta", "mc_delta", "lr_attack", "chernoff", "pair_stats", "dedupe", "indicator"} <= set(
        harness.mis.__all__
    )
    assert {"predict_log_delta", "rank", "bootstrap_ci", "losses_from_confidences", "losses_from_regression"} <= set(
        harness.mis.__all__
    )
