"""Parts of the molecules study: quantizers of heads, the law of undecided coordinates, attacker, utility."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr

from harness.compression.grids import fit
from harness.errors import InputError
from harness.mis import Cells, coordinate_delta, retained
from studies.mis_molecules.attacker import attack, halves
from studies.mis_molecules.embedder import chemnet
from studies.mis_molecules.heads import FINITE, FLOAT, quantizers
from studies.mis_molecules.representation import Raw, represent
from studies.mis_molecules.utility import utilities

Floats = NDArray[np.float64]


def test_levels_are_fitted_to_the_pilot() -> None:
    rng = np.random.default_rng(0)
    pilot, weights = rng.normal(size=50), rng.normal(size=(7, 50))
    through = quantizers(pilot)
    levels = {"sign": 2, "ternary-0.33": 3, "ternary-0.9": 3, "uniform-2": 4, "uniform-3": 8, "cluster-4": 4}
    for name, count in levels.items():
        levels_used = np.unique(through[name].quantize(weights))
        everywhere = np.unique(through[name].quantize(np.linspace(-9, 9, 5000).reshape(100, 50)))
        assert len(everywhere) == count
        assert set(levels_used) <= set(everywhere)
    pruned = through["prune-0.9"].quantize(weights)
    assert ((pruned == 0).sum(axis=1) == 45).all()
    assert np.array_equal(pruned[pruned != 0], weights[pruned != 0])
    assert np.array_equal(through[FLOAT].quantize(weights), weights)
    for name in FINITE:  # a weight at a level stays there
        once = through[name].quantize(weights)
        assert np.array_equal(through[name].quantize(once), once)


def test_retained_information_is_that_of_closed_forms() -> None:
    zero, one = np.zeros(1), np.ones(1)
    tie = Cells(np.zeros(1), (False, False))
    assert retained(tie, zero, one)[0] == pytest.approx(2 / math.pi, rel=1e-12)
    # A Bernoulli's: density squared over p (1 - p), wherever the cut is.
    shifted, p = retained(tie, np.array([0.7]), one)[0], ndtr(0.7)
    assert shifted == pytest.approx(math.exp(-0.49) / (2 * math.pi * p * (1 - p)), rel=1e-12)
    assert retained(tie, np.array([40.0]), one)[0] == 0.0
    assert retained(Cells(np.zeros(0), (True,)), zero, one)[0] == 1.0
    fine = Cells(np.linspace(-5, 5, 1001), (False,) * 1002)
    assert retained(fine, zero, one)[0] == pytest.approx(1.0, abs=1e-4)
    # Pruning keeps what its finest code would keep outside the cut, and one code within.
    pruned = retained(Cells(np.array([-1.0, 1.0]), (True, False, True)), zero, one)[0]
    within = ndtr(1.0) - ndtr(-1.0) - 2 * math.exp(-0.5) / math.sqrt(2 * math.pi)
    assert pruned == pytest.approx(1.0 - within, rel=1e-12)


@pytest.mark.parametrize("name", ["sign", "ternary-0.9", "uniform-4", FLOAT])
def test_coordinate_law_is_the_exact_leakage_of_independent_normal_weights(name: str) -> None:
    """The best attacker knows each code's probability with and without the record; its advantage is simulated."""
    rng = np.random.default_rng(5)
    d, n, games = 60, 400, 4000
    mean = rng.normal(size=d) * 0.08
    refits = mean + rng.normal(size=(4000, d)) / math.sqrt(n)
    cells = quantizers(mean, [name])[name].cells(refits)
    law = coordinate_delta(cells, refits, n=n, trained_on=n)
    record = rng.normal(size=(games, d)) / n  # what a record of unit variance moves the mean by
    inside = mean + record + rng.normal(size=(games, d)) * math.sqrt((n - 1) / n**2)
    outside = mean + rng.normal(size=(games, d)) / math.sqrt(n)
    guesses = [_likelier_inside(w, mean, record, n, cells) for w in (inside, outside)]
    advantage = guesses[0].mean() - guesses[1].mean()
    error = math.sqrt(2 * 0.25 / games)
    assert abs(advantage - law.value) < 4 * error + 0.02 * law.value
    assert law.low <= law.value <= law.high


def _likelier_inside(w: Floats, mean: Floats, record: Floats, n: int, cells: Cells) -> NDArray[np.bool_]:
    """Whether each game's code is likelier with the record than without it, ``[games]``."""
    if cells.keeps == (True,):
        without = -n * (w - mean) ** 2 / 2 - math.log(1 / n) / 2
        variance = (n - 1) / n**2
        with_it = -((w - mean - record) ** 2) / (2 * variance) - math.log(variance) / 2
        return np.asarray((with_it - without).sum(axis=1) > 0)
    code = np.searchsorted(cells.cuts, w, side="right")
    edges = np.concatenate([[-np.inf], cells.cuts, [np.inf]])

    def log_mass(centre: Floats, spread: float) -> Floats:
        mass = ndtr((edges[code + 1] - centre) / spread) - ndtr((edges[code] - centre) / spread)
        return np.asarray(np.log(np.maximum(mass, 1e-300)))

    ratio = log_mass(mean + record, math.sqrt(n - 1) / n) - log_mass(np.broadcast_to(mean, w.shape), 1 / math.sqrt(n))
    return np.asarray(ratio.sum(axis=1) > 0)


def test_coordinate_law_of_the_float_counts_weights() -> None:
    refits = np.random.default_rng(0).normal(size=(50, 30))
    law = coordinate_delta(Cells(np.zeros(0), (True,)), refits, n=200, trained_on=400)
    assert [law.low, law.value, law.high] == pytest.approx([math.sqrt(30 / (2 * math.pi * 200))] * 3)


def test_halves_keep_the_shares_of_classes_and_differ() -> None:
    groups = np.repeat([0, 1], [20, 8])
    members = halves(groups, 6, np.random.default_rng(0))
    assert (members[:, groups == 0].sum(axis=1) == 10).all()
    assert (members[:, groups == 1].sum(axis=1) == 4).all()
    assert len(np.unique(members, axis=0)) == 6


def _least_squares(features: Floats, targets: Floats, members: NDArray[np.bool_]) -> Floats:
    return np.stack([np.linalg.lstsq(features[m], targets[m], rcond=None)[0] for m in members])


def test_attacker_finds_overfitting_and_nothing_where_there_is_nothing() -> None:
    rng = np.random.default_rng(2)
    n, d = 120, 30
    features, targets = rng.normal(size=(n, d)), rng.normal(size=n)
    members = halves(np.zeros(n, dtype=np.int64), 40, rng)
    fitted = _least_squares(features, targets, members)
    # Members drawn anew have nothing to do with what the weights were fitted to.
    unrelated = halves(np.zeros(n, dtype=np.int64), 40, rng)
    options: dict[str, Any] = {"classes": None, "draws": 500, "seed": 0}
    attacked = attack({FLOAT: fitted, "same": fitted}, features, targets, members, **options)
    assert np.quantile(attacked.drawn[FLOAT], 0.001) > 0.2
    assert np.array_equal(attacked.drawn[FLOAT], attacked.drawn["same"])  # paired
    nothing = attack({FLOAT: fitted}, features, targets, unrelated, **options)
    low, high = np.quantile(nothing.drawn[FLOAT], [0.001, 0.999])
    assert low < 0 < high
    baseline = attack({FLOAT: fitted}, features, targets, members, **options, by="threshold")
    assert 0.1 < baseline.advantage[FLOAT] < attacked.advantage[FLOAT]
    assert attacked.estimate(FLOAT, 0.95).low < attacked.advantage[FLOAT]
    with pytest.raises(InputError, match="retrainings=6"):
        attack({FLOAT: fitted[:6]}, features, targets, members[:6], **options)


def test_a_loss_threshold_is_fixed_on_the_fitting_half() -> None:
    """The scored half is never looked at: its losses may be anything."""
    rng = np.random.default_rng(4)
    n, d = 40, 20
    features, targets = rng.normal(size=(n, d)), rng.normal(size=n)
    members = halves(np.zeros(n, dtype=np.int64), 16, rng)
    weights = _least_squares(features, targets, members)
    options: dict[str, Any] = {"classes": None, "draws": 50, "seed": 0, "by": "threshold"}
    found = attack({FLOAT: weights}, features, targets, members, **options).advantage[FLOAT]
    squares = (weights @ features.T - targets) ** 2
    cuts = np.sort(squares[:8], axis=None)
    gained = [_advantage(squares[:8] <= cut, members[:8]) for cut in cuts]
    cut = cuts[int(np.argmax(gained))]
    assert found == pytest.approx(_advantage(squares[8:] <= cut, members[8:]))


def _advantage(guessed: NDArray[np.bool_], members: NDArray[np.bool_]) -> float:
    return float(guessed[members].mean() - guessed[~members].mean())


def test_embedder_is_the_same_alone_and_among_others() -> None:
    pytest.importorskip("fcd", reason="fcd, which ships ChemNet, is not installed")
    chem = pytest.importorskip("rdkit.Chem", reason="RDKit is not installed")
    texts = ["CCO", "c1ccccc1C(=O)O", "C" * 360]  # the last one is longer than what ChemNet was trained on
    structures = [chem.MolFromSmiles(text) for text in texts]
    together = chemnet(structures, lambda *_: None)
    assert together.shape == (3, 512)
    assert np.isfinite(together).all()
    for row, structure in zip(together, structures, strict=True):
        assert chemnet([structure], lambda *_: None)[0] == pytest.approx(row, abs=1e-5)
    assert np.abs(together[0] - together[1]).max() > 0.1


def test_directions_of_rounding_are_not_whitened() -> None:
    """A descriptor that repeats another adds no direction, and must not be blown up to unit spread."""
    rng = np.random.default_rng(0)
    descriptors = rng.normal(size=(60, 3))
    raw = Raw(np.zeros((60, 4), dtype=np.uint8), np.hstack([descriptors, 2.0 * descriptors]))
    made = represent(raw, np.arange(40), kind="descriptors", dimensions=6)
    assert made.features.shape == (60, 4)  # three directions, and the constant
    assert made.features[:40, :3].std(axis=0) == pytest.approx(np.ones(3), rel=0.1)
    assert made.explained == pytest.approx(1.0)


def test_utility_is_that_of_perfect_useless_and_constant_heads() -> None:
    targets = np.array([0, 0, 0, 1, 1, 1] * 20)
    perfect, useless = targets - 0.5, np.zeros(len(targets))
    classified = utilities(
        {FLOAT: perfect, "useless": useless}, targets, reference=FLOAT, classes=2, draws=200, level=0.95, seed=0
    )
    assert classified[FLOAT].measures["auc"].value == classified[FLOAT].measures["accuracy"].value == 1.0
    assert classified["useless"].measures["auc"].value == 0.5
    assert classified["useless"].lost.value == 1.0
    assert classified["useless"].difference.value == -0.5
    values = np.random.default_rng(0).normal(size=100)
    regressed = utilities(
        {FLOAT: 0.5 * values, "constant": 0 * values, "exact": values},
        values,
        reference=FLOAT,
        classes=None,
        unit=3.0,
        draws=200,
        level=0.95,
        seed=0,
    )
    assert regressed["constant"].lost.value == pytest.approx(1.0)
    assert regressed["exact"].lost.value == pytest.approx(-1.0)
    assert regressed[FLOAT].measures["rmse"].value == pytest.approx(1.5 * math.sqrt((values**2).mean()))
    worthless = utilities(
        {FLOAT: -values, "exact": values}, values, reference=FLOAT, classes=None, draws=200, level=0.95, seed=0
    )
    assert not worthless["exact"].lost.resolvable


def test_grid_levels_are_ascending_for_clusters() -> None:
    pilot = np.random.default_rng(1).normal(size=129)
    cells = quantizers(pilot, ["cluster-16"])["cluster-16"].cells(pilot[None, :])
    assert (np.diff(cells.cuts) > 0).all()
    assert len(cells.keeps) == len(cells.cuts) + 1 == 16
    assert fit(pilot[None, :], "uniform-4").levels == 16
