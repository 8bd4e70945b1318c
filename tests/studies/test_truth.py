"""The laws whose leakage is known: their truths against closed forms, against retraining, and beside an attacker."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from harness import mis
from harness.compression.grids import Grid
from harness.types import FloatArray
from studies._shared.weight_bits import coded_bits, stored_bits
from studies.mis_synthetic.learners import Mean, Records, Regression
from studies.mis_synthetic.mixture_law import QUANTIZERS, MixtureLaw, draw_mixture
from studies.mis_synthetic.mixture_truth import leakage_of_rounding
from studies.mis_synthetic.pairs_attacker import implied_delta
from studies.mis_synthetic.regression_law import LEARNERS, draw_regression
from studies.mis_synthetic.regression_truth import Bracket, leakage_of_codes


def mixture(modes: FloatArray, cuts: FloatArray, levels: FloatArray) -> MixtureLaw:
    """A law with one grid, named sign."""
    return MixtureLaw(modes, {"sign": Grid("sign", cuts[None], levels[None])})


def rounding(law: MixtureLaw, n: int, *, records: int, codes: int, counts: int) -> Bracket:
    return leakage_of_rounding(
        law, "sign", n=n, records=records, codes=codes, counts=counts, rng=np.random.default_rng(0)
    )


@pytest.mark.parametrize(
    ("mean", "n", "expected"),
    [(0.0, 50, math.asin(1 / math.sqrt(50)) / math.pi), (0.0, 400, math.asin(0.05) / math.pi), (0.1, 50, 3.51615e-2)],
)
def test_the_leakage_of_one_weight_is_its_closed_form(mean: float, n: int, expected: float) -> None:
    law = mixture(np.array([[mean]]), np.zeros(1), np.array([-1.0, 1.0]))
    measured = rounding(law, n, records=1500, codes=300, counts=2)
    assert measured.value == pytest.approx(expected, rel=0.07)
    assert measured.low < measured.value < measured.high


def test_undecided_weights_add_up_like_a_square_root() -> None:
    law = mixture(np.zeros((1, 64)), np.zeros(1), np.array([-1.0, 1.0]))
    assert rounding(law, 1600, records=400, codes=300, counts=2).value == pytest.approx(8 / math.pi / 40, rel=0.06)


def test_the_leakage_of_rounded_mixtures_is_that_of_retraining_the_least_squares_code() -> None:
    modes = np.array([[0.9, -0.3, 0.4], [-0.8, 0.5, 0.1]])
    levels = np.array([-0.9, -0.3, 0.3, 0.9])
    law = mixture(modes, 0.5 * (levels[1:] + levels[:-1]), levels)
    n, rng = 60, np.random.default_rng(1)
    weights = np.array(list(itertools.product(levels, repeat=3)))
    others = law.means(law.counts(8000, n - 1, rng), rng)
    sums = (n - 1) * (np.sum(weights**2, axis=1) - 2 * others @ weights.T)
    targets = np.sum(weights**2, axis=1) - 2 * law.records(300, rng).features @ weights.T
    lower, upper = mis.mc_delta(sums[:4000], sums[4000:], targets)
    measured = rounding(law, n, records=800, codes=150, counts=200)
    assert measured.value == pytest.approx(0.5 * (lower + upper), rel=0.08)


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_the_ratio_of_densities_has_mean_one_and_gives_the_leakage_of_retraining(correlation: float) -> None:
    law = draw_regression(5, correlation)
    n, rng = 60, np.random.default_rng(0)
    drawn = law.statistics(20_000, n, rng)
    ratios = law.ratios(drawn, law.records(200, rng))
    assert ratios.mean() == pytest.approx(1.0, abs=0.01)
    codes = law.decoded(np.arange(81), "ternary-0.33")
    fewer = law.statistics(4000, n - 1, rng)
    squares = (codes[:, :, None] * codes[:, None, :]).reshape(81, -1)
    sums = fewer.gram.reshape(4000, -1) @ squares.T - 2.0 * fewer.moment @ codes.T
    records = law.records(400, rng)
    targets = 2.0 * Regression().losses(codes, records).T
    lower, upper = mis.mc_delta(sums[:2000], sums[2000:], targets)
    measured = leakage_of_codes(law.learned(drawn, "ternary-0.33", "codes"), ratios)
    assert measured.low <= upper
    assert lower <= measured.high
    assert measured.value == pytest.approx(0.5 * (lower + upper), rel=0.15)


def test_the_best_of_all_codes_is_no_worse_than_the_rounded_one() -> None:
    law = draw_regression(6, 0.8)
    drawn = law.statistics(500, 80, np.random.default_rng(0))
    for q in law.grids:
        losses = {}
        for learner in LEARNERS:
            c = law.decoded(law.learned(drawn, q, learner), q)
            losses[learner] = np.einsum("bi,bij,bj->b", c, drawn.gram, c) - 2.0 * np.sum(c * drawn.moment, axis=1)
        assert (losses["codes"] <= losses["rounded"] + 1e-9).all(), q
        assert (losses["codes"] < losses["rounded"] - 1e-6).any(), q


def test_a_constant_code_leaks_nothing_and_more_levels_leak_more() -> None:
    law = draw_regression(7, 0.5)
    rng = np.random.default_rng(0)
    drawn = law.statistics(20_000, 100, rng)
    ratios = law.ratios(drawn, law.records(200, rng))
    assert leakage_of_codes(np.zeros(20_000, dtype=np.int64), ratios).value == pytest.approx(0.0, abs=1e-12)
    fine, coarse = (leakage_of_codes(law.learned(drawn, q, "rounded"), ratios) for q in ("uniform-3", "sign"))
    assert coarse.high < fine.low


def test_the_trained_attacker_reaches_a_part_of_the_true_leakage_and_never_more() -> None:
    law, n, pairs = draw_mixture(5, 8), 200, 16_000
    rng = np.random.default_rng(0)
    truth = leakage_of_rounding(law, "uniform-3", n=n, records=60, codes=80, counts=200, rng=rng)
    records, members = law.records(pairs, rng), rng.permutation(pairs) % 2
    outside = law.means(law.counts(pairs, n, rng), rng)
    means = np.where(members[:, None] == 1, law.member_means(records, n, rng), outside)
    measured = implied_delta(Mean(), law.grids["uniform-3"].quantize(means), records, members)
    assert 0.6 * truth.value < measured.value
    assert measured.low <= truth.high
    assert measured.n == pairs // 2
    strangers = Records(law.records(pairs, rng).features, records.targets)
    assert implied_delta(Mean(), law.grids["uniform-3"].quantize(means), strangers, members).holds(0.0)


def test_bits_look_at_names_alone_and_a_sparse_ternary_has_fewer_than_a_sign() -> None:
    assert [round(stored_bits(q), 2) for q in QUANTIZERS] == [1.0, 1.58, 1.58, 2.0, 3.0]
    assert [round(coded_bits(q), 2) for q in QUANTIZERS] == [1.0, 1.58, 0.57, 2.0, 3.0]
