"""Each family of variants does what its name says, to a copy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch import nn

from harness import compression, datasets, models, training
from harness.compression._prune import magnitude_mask
from harness.errors import ConfigError, InterruptedRunError

DIGITS = datasets.load("digits")
X, Y = DIGITS.inputs[:200], DIGITS.labels[:200]
WEIGHTS = ("features.0.weight", "features.3.weight", "features.6.weight", "head.weight")


@pytest.fixture(scope="module")
def original() -> nn.Module:
    model = models.build("cnn", n_classes=10, in_shape=(1, 8, 8), width=8)
    training.train(model, X, Y, epochs=8, batch_size=32, learning_rate=5e-3, seed=0)
    return model


def _compress(model: nn.Module, variant: str, **changes) -> compression.Compressed:
    settings = {"finetune_epochs": 2, "finetune_learning_rate": 1e-3, "batch_size": 32, "seed": 1} | changes
    return compression.compress(model, variant, inputs=X, labels=Y, **settings)


def test_the_mask_drops_exactly_the_smallest():
    weight = torch.tensor([[0.3, -0.1, 0.0], [0.1, -2.0, 0.5]])
    assert magnitude_mask(weight, sparsity=0.5).tolist() == [[1, 0, 0], [0, 1, 1]]
    tied = torch.ones(7)
    assert magnitude_mask(tied, sparsity=0.6).tolist() == [0, 0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("sparsity", [0.6, 0.9])
def test_pruning_leaves_the_stated_share_in_each_layer_after_finetuning(original, sparsity):
    made = _compress(original, f"prune-{sparsity}")
    parameters = dict(made.model.named_parameters())
    for name in WEIGHTS:
        weight = parameters[name]
        assert (weight == 0).sum() == int(sparsity * weight.numel())
        kept = weight[weight != 0]
        assert not torch.equal(kept, dict(original.named_parameters())[name][weight != 0])  # fine-tuned
    assert made.provenance["share_zeros"].keys() == set(WEIGHTS)
    assert made.numerics == "fp32"


def test_clustering_leaves_exactly_k_values_and_no_batch_norm(original):
    made = _compress(original, "cluster-16")
    for name in WEIGHTS:
        assert len(dict(made.model.named_parameters())[name].unique()) == 16
    assert not any(isinstance(m, nn.BatchNorm2d) for m in made.model.modules())
    before = training.predict(original, X).argmax(1)
    assert (training.predict(made.model, X).argmax(1) == before).mean() > 0.9


def test_saved_weights_of_every_family_find_their_architecture(original, tmp_path):
    for variant in ("original", "prune-0.6", "cluster-4"):
        made = _compress(original, variant)
        training.save_weights(tmp_path / "w", made.model.state_dict())
        blank = models.build("cnn", n_classes=10, in_shape=(1, 8, 8), width=8, seed=9)
        network = compression.architecture(blank, variant, sample_shape=(1, 8, 8))
        network.load_state_dict(training.load_weights(tmp_path / "w"))
        np.testing.assert_array_equal(training.predict(network, X), training.predict(made.model, X))


def test_the_control_is_finetuned_and_nothing_else(original):
    made = _compress(original, "finetuned")
    assert not np.array_equal(training.predict(made.model, X), training.predict(original, X))
    assert all((p != 0).all() for n, p in made.model.named_parameters() if n in WEIGHTS)
    assert made.provenance["finetune_epochs"] == 2


@pytest.mark.parametrize("numerics", compression.NUMERICS[1:])
def test_number_formats_are_left_to_the_exporter(original, numerics):
    made = _compress(original, numerics)
    assert made.numerics == numerics
    np.testing.assert_array_equal(training.predict(made.model, X), training.predict(original, X))
    assert "finetune_epochs" not in made.provenance


@pytest.mark.parametrize("variant", ["finetuned", "prune-0.6", "cluster-16"])
def test_it_is_a_reproducible_copy_that_can_travel(original, variant):
    before = {k: v.clone() for k, v in original.state_dict().items()}
    first, again = _compress(original, variant), _compress(original, variant)
    assert all(torch.equal(before[k], v) for k, v in original.state_dict().items())
    travelled = pickle.loads(pickle.dumps(first))  # noqa: S301 - our own bytes, as worker processes get them
    expected = training.predict(again.model, X)
    np.testing.assert_array_equal(training.predict(first.model, X), expected)
    np.testing.assert_array_equal(training.predict(travelled.model, X), expected)


def test_finetuning_can_be_stopped(original):
    with pytest.raises(InterruptedRunError):
        _compress(original, "prune-0.6", should_stop=lambda: True)


def test_candidates_are_the_last_epochs(original):
    model = models.build("cnn", n_classes=10, in_shape=(1, 8, 8), width=8)
    made = training.train(model, X, Y, epochs=3, batch_size=32, learning_rate=5e-3, seed=0, checkpoints=2)
    candidates = compression.trajectory(original, made.checkpoints)
    assert len(candidates) == 2
    np.testing.assert_array_equal(training.predict(candidates[1], X), training.predict(model, X))
    assert not np.array_equal(training.predict(candidates[0], X), training.predict(model, X))
    with pytest.raises(ConfigError, match="no checkpoints"):
        compression.trajectory(original, ())
    with pytest.raises(ConfigError, match="checkpoint 0 does not fit"):
        compression.trajectory(nn.Linear(2, 2), made.checkpoints)
