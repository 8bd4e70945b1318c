"""The law of undecided coordinates: closed forms, exact total variation of simulated codes, intervals, limits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import norm

from harness.errors import InputError
from harness.mis import Cells, coordinates, last_layer_coordinates, retained
from harness.mis._coordinates import MIN_REFITS, shift_leakage
from harness.types import FloatArray, IntArray

INF = np.inf
SIGN = np.array([0.0])
TERNARY = np.array([-1.0, 1.0])


def refits(k: int, d: int, seed: int = 0, mean: float = 0.0) -> FloatArray:
    return np.random.default_rng(seed).normal(mean, 1.0, (k, d))


def coded(values: FloatArray, cuts: FloatArray) -> FloatArray:
    return np.searchsorted(cuts, values).astype(np.float64)


# Closed forms.


@pytest.mark.parametrize("n", [20, 400, 10**6])
def test_one_float_leaks_what_the_angle_says(n: int) -> None:
    """``E[2 Phi(a |Z|) - 1] = (2 / pi) arctan a`` for a normal Z."""
    said = coordinates(refits(40, 1), {"float": refits(40, 1)}, n=n)["float"]
    assert said.undecided.value == pytest.approx(1.0)
    assert said.leakage.delta.value == pytest.approx(2.0 / math.pi * math.atan(0.5 / math.sqrt(n)), rel=5e-3)


def test_many_floats_leak_as_their_number_says_and_never_more_than_all() -> None:
    for d, n in ((50, 10**6), (400, 100), (2000, 20)):
        floats = refits(8, d)
        delta = coordinates(floats, {"float": floats}, n=n)["float"].leakage.delta
        assert delta.value == pytest.approx(2.0 * ndtr(0.5 * math.sqrt(d / n)) - 1.0, rel=6e-3)
        assert delta.high <= 1.0
    assert delta.value > 0.99  # the form for small shifts says 4 here


def test_floats_agree_with_the_total_variation_of_a_released_mean() -> None:
    """The mean of n normal records, one of them given, against that of n others: integrated."""
    n, grid = 50, np.linspace(-1.5, 1.5, 20001)
    step = grid[1] - grid[0]
    others = norm.pdf(grid, 0.0, 1.0 / math.sqrt(n))
    records = norm.ppf((np.arange(400) + 0.5) / 400)
    spread = math.sqrt(n - 1) / n
    exact = np.mean([0.5 * step * np.abs(norm.pdf(grid, z / n, spread) - others).sum() for z in records])
    floats = refits(30, 1)
    assert coordinates(floats, {"float": floats}, n=n)["float"].leakage.delta.value == pytest.approx(exact, rel=0.04)


def test_a_sign_at_a_tie_keeps_two_of_pi() -> None:
    floats = refits(4000, 30)
    said = coordinates(floats, {"sign": np.sign(floats)}, n=1000)["sign"]
    assert said.undecided.value / 30 == pytest.approx(2.0 / math.pi, rel=0.02)


def test_eleven_refits_are_right_on_average_in_a_rotated_basis_and_a_little_high_in_the_codes_own() -> None:
    rotation = np.linalg.qr(refits(60, 60, seed=77))[0]
    own, rotated = [], []
    for seed in range(60):
        floats = refits(11, 60, seed + 1)
        codes = np.sign(floats)
        own.append(coordinates(floats, {"sign": codes}, n=1000)["sign"].undecided.value / 60)
        rotated.append(coordinates(floats @ rotation, {"sign": codes @ rotation}, n=1000)["sign"].undecided.value / 60)
    assert np.mean(rotated) == pytest.approx(2.0 / math.pi, rel=0.03)
    assert 1.0 < np.mean(own) / (2.0 / math.pi) < 1.1


def test_a_code_that_never_changes_keeps_nothing() -> None:
    floats = np.hstack([refits(200, 20), refits(200, 400, seed=1, mean=9.0)])
    both = coordinates(floats, {"sign": np.sign(floats), "still": np.ones_like(floats)}, n=1000)
    alone = coordinates(floats[:, :20], {"sign": np.sign(floats[:, :20])}, n=1000)
    assert both["sign"].undecided.value == pytest.approx(alone["sign"].undecided.value)
    assert both["still"].leakage.status == "single_candidate"
    assert not both["still"].leakage.is_probed
    assert not both["still"].comparisons
    assert list(both["sign"].comparisons) == []


@pytest.mark.parametrize("mean", [0.0, 0.4, 1.0, 2.0])
@pytest.mark.parametrize("cuts", [SIGN, TERNARY, np.arange(-4.0, 4.0, 0.5)], ids=["sign", "ternary", "uniform"])
def test_pairs_of_floats_and_codes_say_what_known_cells_say(mean: float, cuts: FloatArray) -> None:
    """The deployed value of a code must be linear in what the code says: here it is the mean float of its cell."""
    floats = refits(6000, 8, mean=mean)
    codes = coded(floats, cuts).astype(np.int64)
    edges = np.concatenate([[-INF], cuts, [INF]]) - mean
    mass = np.maximum(ndtr(edges[1:]) - ndtr(edges[:-1]), 1e-300)
    centres = (norm.pdf(edges[:-1]) - norm.pdf(edges[1:])) / mass
    said = coordinates(floats, {"q": centres[codes]}, n=1000)["q"].undecided.value / 8
    known = retained(Cells(cuts, (False,) * (len(cuts) + 1)), np.array(mean), np.array(1.0))
    assert said == pytest.approx(float(known), abs=0.02)


# Exact total variation of normal codes.


def _exact(cuts: FloatArray, means: FloatArray, n: int, rng: np.random.Generator) -> float:
    """Total variation of independent codes with and without a record, averaged over records, by importance sampling."""
    total = []
    for _ in range(150):
        shift = rng.standard_normal(len(means)) / math.sqrt(n)
        without, with_record = (_masses(cuts, means + by) for by in (0.0, shift))
        drawn = np.stack([rng.choice(mass.size, 4000, p=mass / mass.sum()) for mass in without], axis=1)
        ratio = np.ones(len(drawn))
        for j, codes in enumerate(drawn.T):
            ratio *= with_record[j][codes] / without[j][codes]
        total.append(0.5 * np.abs(ratio - 1.0).mean())
    return float(np.mean(total))


def _masses(cuts: FloatArray, means: FloatArray) -> FloatArray:
    edges = np.concatenate([[-INF], cuts, [INF]])
    return np.asarray(np.diff(ndtr(edges - means[:, None]), axis=1))


@pytest.mark.parametrize(("d", "n", "within"), [(4, 100, 0.2), (30, 100, 0.08), (30, 30, 0.08)])
@pytest.mark.parametrize("cuts", [SIGN, TERNARY], ids=["sign", "ternary"])
def test_the_law_is_the_total_variation_of_independent_normal_codes(
    d: int, n: int, within: float, cuts: FloatArray
) -> None:
    """With few coordinates codes are no normal variables yet: the law is up to a fifth too low there."""
    rng = np.random.default_rng(3)
    means = rng.uniform(-1.5, 1.5, d)
    exact = _exact(cuts, means, n, rng)
    floats = means + rng.standard_normal((3000, d))
    said = coordinates(floats, {"q": coded(floats, cuts)}, n=n)["q"].leakage.delta.value
    assert said == pytest.approx(exact, rel=within)


# Intervals and comparisons.


def test_the_interval_of_eleven_refits_holds_the_truth_as_often_as_it_says() -> None:
    means = np.random.default_rng(0).uniform(-2, 2, 120)
    share = retained(Cells(SIGN, (False, False)), means, np.ones(120))
    # What is linear in a sign: its own share of information, two codes have no more.
    truth = float(share.sum())
    held, totals = 0, []
    for seed in range(200):
        floats = means + refits(11, 120, seed)
        said = coordinates(floats, {"sign": np.sign(floats)}, n=1000)["sign"].undecided
        held += said.low <= truth <= said.high
        totals.append(said.value)
    assert np.mean(totals) == pytest.approx(truth, rel=0.06)
    assert 0.9 <= held / 200 <= 1.0


def test_what_leaks_less_is_called_safer_and_equals_are_not_told_apart() -> None:
    floats = refits(11, 200)
    rounded = np.round(floats, 5)
    said = coordinates(
        floats,
        {"float": floats, "half": rounded, "sign": np.sign(floats), "steps": np.round(floats)},
        n=2000,
    )
    assert said["sign"].comparisons["float"].verdict == "safer"
    assert said["float"].comparisons["sign"].verdict == "leaks more"
    assert said["float"].comparisons["half"].verdict == "not resolved"
    assert said["sign"].comparisons["steps"].verdict == "safer"
    one, other = said["sign"].comparisons["float"].log_ratio, said["float"].comparisons["sign"].log_ratio
    assert (one.low, one.value, one.high) == pytest.approx((-other.high, -other.value, -other.low))
    logs = [said[name].leakage.logs[0] for name in ("sign", "steps", "half", "float")]
    assert logs == sorted(logs)
    again = coordinates(floats, {"sign": np.sign(floats)}, n=2000)["sign"]
    assert again.leakage == said["sign"].leakage


def test_pure_noise_is_not_resolved_from_nothing_and_still_safer_than_floats() -> None:
    floats = refits(11, 200)
    said = coordinates(floats, {"noise": refits(11, 200, seed=9), "float": floats}, n=2000)
    leakage = said["noise"].leakage
    assert leakage.status == "unresolved"
    assert leakage.mis is None
    assert leakage.delta.low < 0.2 * leakage.delta.high
    assert said["noise"].undecided.low == 0.0
    assert said["noise"].comparisons["float"].verdict == "safer"


@pytest.mark.parametrize("k", [2, 3, MIN_REFITS - 1])
def test_too_few_refits_say_nothing(k: int) -> None:
    floats = refits(k, 50)
    leakage = coordinates(floats, {"sign": np.sign(floats), "float": floats}, n=1000)["sign"].leakage
    assert leakage.status == "too_few_records"
    assert (leakage.delta.low, leakage.delta.high, leakage.mis) == (0.0, 1.0, None)


def test_few_refits_have_a_wider_interval() -> None:
    widths = []
    for k in (MIN_REFITS, 12, 100):
        floats = refits(k, 100)
        low, high = coordinates(floats, {"sign": np.sign(floats)}, n=1000)["sign"].leakage.logs[1:]
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)


# Limits.


def test_correlated_coordinates_are_counted_each() -> None:
    """The stated limit: ten copies of one coordinate hold the information of one, and the law counts ten."""
    once = refits(20, 1)
    copies = np.repeat(once, 10, axis=1)
    assert coordinates(copies, {"float": copies}, n=1000)["float"].undecided.value == pytest.approx(10.0)


def _heads(k: int, classes: int, features: int, seed: int = 0) -> tuple[FloatArray, FloatArray, FloatArray, IntArray]:
    rng = np.random.default_rng(seed)
    inputs, labels = rng.standard_normal((300, features)), rng.integers(classes, size=300)
    trained = 0.1 * rng.standard_normal((classes, features + 1))
    moves = 0.1 * rng.standard_normal((k, classes, features + 1))
    return trained + moves - moves.mean(axis=1, keepdims=True), trained, inputs, labels


def test_what_all_classes_share_and_directions_without_records_do_not_count() -> None:
    layers, _, inputs, labels = _heads(11, 2, 6)
    inputs = np.hstack([inputs, inputs[:, :2], np.zeros((300, 3))])
    wide = np.zeros((11, 2, 12))
    wide[:, :, :6], wide[:, :, -1] = layers[:, :, :6], layers[:, :, -1]
    still = np.zeros((2, 12))
    said = last_layer_coordinates(wide, {"float": wide}, trained=still, features=inputs, labels=labels, n=300)
    assert said["float"].undecided.value == pytest.approx(7.0)  # one contrast, six directions and the constant


def test_records_with_small_residuals_hardly_move_and_lower_the_average() -> None:
    layers, _, inputs, labels = _heads(11, 3, 5)
    towards = np.hstack([np.eye(3, 5) * 30.0, np.zeros((3, 1))])
    decided = np.where(np.arange(300) < 240, np.argmax(inputs[:, :3], axis=1), labels)
    said = {
        name: last_layer_coordinates(
            layers, {"float": layers}, trained=trained, features=inputs, labels=decided, n=300
        )["float"]
        for name, trained in (("decided", towards), ("open", np.zeros((3, 6))))
    }
    assert said["decided"].undecided.value == pytest.approx(said["open"].undecided.value)
    assert said["decided"].leakage.delta.value < 0.7 * said["open"].leakage.delta.value
    mean_shift = shift_leakage(said["open"].undecided.value, 300, np.ones(1))
    assert said["open"].leakage.delta.value < mean_shift


def test_a_record_that_moves_nothing_leaves_a_figure() -> None:
    layers, _, inputs, labels = _heads(11, 2, 3)
    certain = np.hstack([np.zeros((2, 3)), [[0.0], [2000.0]]])  # every residual is exactly 0
    said = last_layer_coordinates(
        layers, {"float": layers}, trained=certain, features=inputs, labels=np.ones_like(labels), n=300
    )
    assert 0.0 < said["float"].leakage.delta.value < 1.0


# Bad input.


def test_bad_input_is_refused_with_the_quantizers_name() -> None:
    floats = refits(6, 4)
    broken = floats.copy()
    broken[2, 3] = np.nan
    with pytest.raises(InputError, match="int4: refit 2, coordinate 3 is NaN or infinite"):
        coordinates(floats, {"fp32": floats, "int4": broken}, n=100)
    with pytest.raises(InputError, match=r"int4: shape \(6, 3\), but the floats have \(6, 4\)"):
        coordinates(floats, {"int4": floats[:, :3]}, n=100)
    with pytest.raises(InputError, match=r"floats: shape \(6,\)"):
        coordinates(floats[:, 0], {"int4": floats}, n=100)
    with pytest.raises(InputError, match="no quantizer"):
        coordinates(floats, {}, n=100)
    with pytest.raises(InputError, match="n=1: "):
        coordinates(floats, {"fp32": floats}, n=1)
    with pytest.raises(InputError, match="level=1"):
        coordinates(floats, {"fp32": floats}, n=100, level=1.0)


def test_layers_of_other_shapes_are_refused() -> None:
    layers, trained, inputs, labels = _heads(6, 3, 5)
    good: dict[str, Any] = {"trained": trained, "features": inputs, "labels": labels}
    with pytest.raises(InputError, match=r"int8: shape \(6, 3, 5\), but the refits have \(6, 3, 6\)"):
        last_layer_coordinates(layers, {"int8": layers[:, :, 1:]}, **good, n=300)
    with pytest.raises(InputError, match=r"features: shape \(300, 4\)"):
        last_layer_coordinates(layers, {"int8": layers}, **(good | {"features": inputs[:, 1:]}), n=300)
    with pytest.raises(InputError, match="trained: shape"):
        last_layer_coordinates(layers, {"int8": layers}, **(good | {"trained": trained[:2]}), n=300)
    with pytest.raises(InputError, match="classes >= 2"):
        last_layer_coordinates(layers[:, :1], {"int8": layers}, **good, n=300)
