"""Generators of the molecules study: heads that other trainings would give, codes near the deployed one, bits."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from harness import mis
from harness.compression.grids import fit
from studies._shared.weight_bits import coded_bits, stored_bits
from studies.mis_molecules.codes import joint_codes, single_flips
from studies.mis_molecules.generators import Head, perturbed, refits, trajectory
from studies.mis_molecules.heads import FINITE, QUANTIZERS, quantizers
from studies.mis_molecules.predictions import GENERATORS, OF_FLOATS, predictions

Floats = NDArray[np.float64]


def head_of(classes: int | None, *, n: int = 120, d: int = 5, seed: int = 0) -> Head:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, d)) + 0.7 * rng.normal(size=(n, 1))
    values = features @ np.linspace(-1, 1, d) + rng.normal(size=n)
    return Head(features, values if classes is None else (values > 0).astype(np.int64), classes, ridge=0.1)


def objective(head: Head, weights: Floats) -> float:
    return float(head.losses(weights[None]).mean() + 0.5 * head.pull * weights @ weights)


@pytest.mark.parametrize("classes", [2, None])
def test_slopes_and_curvature_are_those_of_the_losses(classes: int | None) -> None:
    head = head_of(classes)
    rng = np.random.default_rng(1)
    weights, step = rng.normal(size=5), 1e-4 * rng.normal(size=5)
    up, down = (head.losses((weights + sign * step)[None])[0] for sign in (1, -1))
    assert head.slopes(weights) @ step == pytest.approx(0.5 * (up - down), rel=1e-4, abs=1e-9)
    bent = float((up + down - 2 * head.losses(weights[None])[0]).mean())
    assert step @ head.curvature(weights) @ step == pytest.approx(bent, rel=1e-2)
    # The fit is where the mean slope and the ridge's pull balance.
    fitted = head.fit()[0]
    assert head.slopes(fitted).mean(axis=0) + head.pull * fitted == pytest.approx(np.zeros(5), abs=1e-3)


@pytest.mark.parametrize("classes", [2, None])
def test_generators_begin_or_end_at_the_trained_head_and_spread_around_it(classes: int | None) -> None:
    head, rng = head_of(classes), np.random.default_rng(2)
    fitted = head.fit()[0]
    groups = np.zeros(120, dtype=np.int64) if classes is None else head.targets.astype(np.int64)
    refitted, noisy, path = refits(head, groups, 12, rng), perturbed(head, 12, rng), trajectory(head, 12, rng)
    assert refitted.shape == noisy.shape == path.shape == (12, 5)
    assert np.array_equal(refitted[0], fitted)
    assert np.array_equal(noisy[0], fitted)
    assert objective(head, path[-1]) < objective(head, np.zeros(5))
    assert objective(head, path[-1]) == pytest.approx(objective(head, fitted), rel=0.02)
    for made in (refitted, noisy, path):
        assert (made.std(axis=0) > 0).all()
    # The sandwich says how far trainings on other samples lie: refits are as far, within what 12 of them can tell.
    bread = np.linalg.inv(head.curvature(fitted) + head.pull * np.eye(5))
    spread = np.sqrt(np.diag(bread @ np.cov(head.slopes(fitted).T) @ bread) / 120)
    assert 0.5 < np.median(refitted.std(axis=0) / spread) < 2.0


@pytest.mark.parametrize("classes", [2, None])
def test_a_records_influence_on_the_gradients_axes_is_its_distance(classes: int | None) -> None:
    head = head_of(classes)
    weights = head.fit()[0]
    slopes, axes = head.slopes(weights), head.axes(weights)
    turned = slopes @ axes
    assert turned.T @ turned / 120 == pytest.approx(np.diag((turned**2).mean(axis=0)), abs=1e-9)
    covariance = slopes.T @ slopes / 120
    distance = np.einsum("ij,jk,ik->i", slopes, np.linalg.inv(covariance), slopes) / 5
    assert head.influence(weights, axes, np.ones(5)) == pytest.approx(distance)
    assert head.influence(weights, np.eye(5), np.array([0.2, 0, 0, 0.7, 0])).mean() == pytest.approx(1.0)
    # A direction without a record is no axis.
    flat = Head(np.hstack([head.features, np.zeros((120, 1))]), head.targets, classes, 0.1)
    assert flat.axes(flat.fit()[0]).shape == (6, 5)


def test_noise_is_halved_until_the_training_loss_hardly_rises() -> None:
    """With more weights than records the first noise would destroy the head."""
    rng = np.random.default_rng(0)
    head = Head(rng.normal(size=(40, 80)), rng.integers(2, size=40), 2, ridge=1e-3)
    made = perturbed(head, 4, np.random.default_rng(3))
    losses = head.losses(made)
    before = losses[0]
    # Candidate 2 has eps = 1, the size that is held.
    rise = float((losses[2] - before).mean())
    assert rise < 4 * float(before.std(ddof=1)) / math.sqrt(40) + 1e-3


@pytest.mark.parametrize("name", ["sign", "ternary-0.33", "uniform-2"])
def test_joint_codes_are_the_closest_of_all_codes(name: str) -> None:
    head = head_of(None, d=4)
    weights = head.fit()
    grid = fit(weights, name)
    found = joint_codes(head, grid, weights, 6)
    assert len(np.unique(found, axis=0)) == len(found)
    everything = np.array(list(product(grid.values[0], repeat=4)))
    losses = [objective(head, code) for code in everything]
    # Squared loss is its own quadratic approximation, so the first code is the best of all.
    assert objective(head, found[0]) == pytest.approx(min(losses), rel=1e-9)
    assert set(np.unique(found)) <= set(grid.values[0])


def test_single_flips_move_one_code_by_one_level() -> None:
    head = head_of(2)
    weights = head.fit()
    grid = fit(weights, "uniform-3")
    flipped = single_flips(head, grid, weights, 6)
    base = grid.quantize(weights)[0]
    assert np.array_equal(flipped[0], base)
    codes = np.searchsorted(grid.values[0], flipped)
    assert (np.abs(codes - codes[0])[1:].sum(axis=1) == 1).all()
    assert len(np.unique(flipped, axis=0)) == 6
    # A sign has one neighbour a weight, so there are no more than d of them.
    assert len(single_flips(head, fit(weights, "sign"), weights, 50)) == 1 + 5


def test_every_generator_predicts_every_quantizer_that_it_can() -> None:
    head, held_out = head_of(2), head_of(2, seed=5)
    found = predictions(
        head,
        head.targets.astype(np.int64),
        held_out,
        quantizers(head.fit()[0]),
        candidates=5,
        draws=100,
        rng=np.random.default_rng(0),
        level=0.95,
        seed=0,
    )
    assert list(found.by) == list(GENERATORS)
    for generator, rows in found.by.items():
        assert set(rows) == set(QUANTIZERS if generator in OF_FLOATS else FINITE)
        for one in rows.values():
            assert one.delta.resolvable == (one.status not in ("single_candidate", "too_few_records"))
            if one.delta.resolvable:
                assert 0.0 <= one.delta.low <= one.delta.value <= one.delta.high <= 1.0
    # What the refits print is what an audit prints of them.
    assert found.by["refits"]["sign"].delta == found.estimated["sign"].leakage.delta
    assert isinstance(found.estimated["sign"], mis.QuantizerMis)


def test_bits_per_weight_look_at_names_alone() -> None:
    assert [stored_bits(name) for name in ("sign", "uniform-3", "cluster-4", "float", "prune-0.5")] == [1, 3, 2, 32, 16]
    assert stored_bits("ternary-0.33") == stored_bits("ternary-0.9") == math.log2(3)
    assert stored_bits("cluster-16") == 4
    # Ten bits in a hundred carry a sign, and the others' places are worth 0.469 bits each.
    assert coded_bits("ternary-0.9") == pytest.approx(0.469 + 0.1, abs=1e-3)
    assert coded_bits("ternary-0.33") == pytest.approx(0.915 + 0.67, abs=1e-3)
    assert coded_bits("prune-0.9") == pytest.approx(0.469 + 3.2, abs=1e-3)
    assert coded_bits("sign") == stored_bits("sign")
