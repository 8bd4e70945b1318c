"""Parts of the study of overfitted networks: variants keep their form, and intervals hold what is known of them."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from harness import models, stats
from studies.overfitted.fitting import Table, answers, fit, loss_of
from studies.overfitted.intervals import Curve, curve, mean_auc, mean_of, tpr
from studies.overfitted.variants import make

CLASSES, FEATURES = 3, 12


@pytest.fixture
def table() -> Table:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn((90, FEATURES), generator=generator)
    return Table(inputs, inputs[:, :CLASSES].argmax(dim=1))


@pytest.fixture
def original(table: Table) -> nn.Module:
    model = models.build("mlp", n_classes=CLASSES, in_shape=(FEATURES,), width=16, seed=1)
    training = {"epochs": 30, "batch_size": 30, "learning_rate": 0.01, "optimizer": "adam", "seed": 0}
    fit(model, table, **training)  # type: ignore[arg-type]
    return model


def tuned(table: Table, optimizer: str) -> partial[float]:
    return partial(fit, table=table, epochs=2, batch_size=30, learning_rate=1e-3, optimizer=optimizer, seed=0)


def weights(model: nn.Module) -> list[torch.Tensor]:
    return [parameter.detach() for parameter in model.parameters() if parameter.ndim > 1]


def test_training_lowers_the_loss(original: nn.Module, table: Table) -> None:
    assert loss_of(original, table) < 0.5


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_pruned_network_keeps_its_zeros_while_it_is_fine_tuned(
    original: nn.Module, table: Table, optimizer: str
) -> None:
    before = [weight.clone() for weight in weights(original)]
    pruned = make(original, "prune-0.8", tune=tuned(table, optimizer), calibration=table.inputs)
    for weight in weights(pruned):
        assert int((weight == 0).sum()) == int(0.8 * weight.numel())
    assert all(torch.equal(a, b) for a, b in zip(before, weights(original), strict=True))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_clustered_network_keeps_its_shared_values_while_they_move(
    original: nn.Module, table: Table, optimizer: str
) -> None:
    start = make(original, "cluster-4", tune=lambda *_, **__: None, calibration=table.inputs)
    clustered = make(original, "cluster-4", tune=tuned(table, optimizer), calibration=table.inputs)
    for before, after in zip(weights(start), weights(clustered), strict=True):
        assert len(torch.unique(after)) == len(torch.unique(before)) == 4
        groups = torch.unique(before, return_inverse=True)[1]
        assert all(len(torch.unique(after[groups == group])) == 1 for group in range(4))
        assert not torch.equal(before, after)


def test_rounded_weights_have_few_levels_a_channel_and_answer_nearly_alike(original: nn.Module, table: Table) -> None:
    expected = answers(original, table.inputs)
    errors = {}
    for variant, levels in (("int8", 255), ("int4", 15)):
        rounded = make(original, variant, tune=tuned(table, "adam"), calibration=table.inputs)
        for weight in weights(rounded):
            assert max(len(torch.unique(row)) for row in weight) <= levels
        errors[variant] = float(np.abs(answers(rounded, table.inputs) - expected).mean() / expected.std())
    assert 0 < errors["int8"] < 0.02 < errors["int4"] < 0.3


def target(seed: int, shift: float, *, pool: int = 400) -> Curve:
    rng = np.random.default_rng(seed)
    member = (rng.permutation(pool) < pool // 2).astype(np.int64)
    return curve(rng.normal(size=pool) + shift * member, member, np.arange(pool), pool)


def test_the_auc_of_one_target_has_delongs_variance() -> None:
    rng = np.random.default_rng(1)
    member = (rng.random(300) < 0.5).astype(np.int64)
    scores = np.round(rng.normal(size=300) + member, 1)
    one = curve(scores, member, np.arange(300), 300)
    known = stats.auc(scores, member)
    assert one.auc == pytest.approx(known.value, abs=1e-12)
    assert float((one.influence**2).sum()) ** 0.5 == pytest.approx((known.high - known.low) / 3.92, rel=0.03)


def test_a_rate_of_one_target_is_that_of_the_statistics() -> None:
    rng = np.random.default_rng(2)
    member = (rng.random(400) < 0.5).astype(np.int64)
    scores = rng.normal(size=400) + member
    one = curve(scores, member, np.arange(400), 400)
    assert tpr(one, 0.1) == stats.tpr_at_fpr(scores, 0.1, member).value


def test_an_interval_over_targets_holds_the_truth_as_often_as_it_says() -> None:
    truth = 0.7602  # P(N(1, 1) > N(0, 1)) = Phi(1 / sqrt 2)
    hits = [mean_auc([target(10 * study + t, 1.0) for t in range(5)]).holds(truth) for study in range(200)]
    assert 0.9 <= np.mean(hits) <= 1.0


def test_records_that_all_targets_share_count_once() -> None:
    # Five targets that are copies of one another say what one says.
    one = target(3, 1.0)
    copies = mean_auc([one] * 5)
    alone = float((one.influence**2).sum()) ** 0.5
    assert (copies.high - copies.low) / 2 == pytest.approx(2.776 * alone, rel=0.01)


def test_an_attack_does_not_differ_from_itself() -> None:
    curves = [target(seed, 1.0) for seed in range(3)]
    same = mean_auc(curves, curves)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)


def test_a_mean_of_one_figure_has_no_interval() -> None:
    single = mean_of([0.4], 100)
    assert single.value == 0.4
    assert np.isinf(single.high)
    several = mean_of([0.4, 0.5, 0.6], 300)
    assert several.low < 0.5 < several.high
