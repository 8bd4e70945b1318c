"""Every family of variants: what it does to the weights, and that it works on a copy."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from harness import compression, models, training
from harness.compression._prune import magnitude_mask
from harness.errors import ArtifactError, ConfigError, InterruptedRunError
from tests.architectures import LABELS, PIXELS

X, Y = PIXELS[:200], LABELS[:200]
WEIGHTS = ("features.0.weight", "features.3.weight", "features.6.weight", "head.weight")


@pytest.fixture(scope="module")
def original() -> nn.Module:
    model = models.build("cnn", n_classes=10, in_shape=(1, 8, 8), width=8)
    training.train(model, X, Y, epochs=8, batch_size=32, learning_rate=5e-3, seed=0)
    return model


def _compress(model: nn.Module, variant: str, **changes: Any) -> compression.Compressed:
    settings: dict[str, Any] = {"finetune_epochs": 2, "finetune_learning_rate": 1e-3, "batch_size": 32, "seed": 1}
    return compression.compress(model, variant, inputs=X, labels=Y, **settings | changes)


def _by_weight(compressed: compression.Compressed, fact: str) -> dict[str, float]:
    """One fact of the provenance that is known of each weight."""
    numbers = compressed.provenance[fact]
    assert isinstance(numbers, dict)
    return numbers


def test_the_mask_drops_exactly_the_smallest_weights() -> None:
    weight = torch.tensor([[0.3, -0.1, 0.0], [0.1, -2.0, 0.5]])
    assert magnitude_mask(weight, sparsity=0.5).tolist() == [[1, 0, 0], [0, 1, 1]]
    tied = torch.ones(7)
    assert magnitude_mask(tied, sparsity=0.6).tolist() == [0, 0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("sparsity", [0.6, 0.9])
def test_pruning_leaves_the_stated_share_in_each_layer_after_finetuning(original: nn.Module, sparsity: float) -> None:
    compressed = _compress(original, f"prune-{sparsity}")
    parameters = dict(compressed.model.named_parameters())
    for name in WEIGHTS:
        weight = parameters[name]
        assert (weight == 0).sum() == int(sparsity * weight.numel())
        nonzero = weight[weight != 0]
        assert not torch.equal(nonzero, dict(original.named_parameters())[name][weight != 0])  # fine-tuned
    assert _by_weight(compressed, "share_zeros").keys() == set(WEIGHTS)
    assert compressed.numerics == "fp32"


def test_global_pruning_leaves_the_stated_share_of_all_weights(original: nn.Module) -> None:
    compressed = _compress(original, "prune-global-0.8")
    weights = [dict(compressed.model.named_parameters())[name] for name in WEIGHTS]
    assert sum(int((w == 0).sum()) for w in weights) == int(0.8 * sum(w.numel() for w in weights))
    shares = [float((w == 0).float().mean()) for w in weights]
    assert max(shares) - min(shares) > 0.02  # each layer its own


def test_a_combined_variant_has_the_pruned_weights_and_another_format(original: nn.Module) -> None:
    compressed = _compress(original, "prune-0.8+int8")
    alone = _compress(original, "prune-0.8")
    assert (compressed.numerics, alone.numerics) == ("int8", "fp32")
    for name, weight in alone.model.state_dict().items():
        assert torch.equal(weight, compressed.model.state_dict()[name])


def test_quantization_aware_training_moves_the_weights_and_gives_back_the_same_network(original: nn.Module) -> None:
    before = {name: weight.clone() for name, weight in original.state_dict().items()}
    compressed = _compress(original, "int8-qat")
    assert compressed.numerics == "int8"
    assert compressed.model.state_dict().keys() == before.keys()
    assert all(torch.equal(original.state_dict()[name], weight) for name, weight in before.items())
    assert all(not torch.equal(compressed.model.state_dict()[name], before[name]) for name in WEIGHTS)
    plain = _compress(original, "finetuned")
    differs = [not torch.equal(compressed.model.state_dict()[n], plain.model.state_dict()[n]) for n in WEIGHTS]
    assert all(differs)  # training used rounded weights
    agree = (training.predict(compressed.model, X).argmax(1) == training.predict(original, X).argmax(1)).mean()
    assert agree > 0.8


def test_a_network_that_cannot_be_traced_is_refused_for_quantization_aware_training() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(64, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.layer(x.flatten(1))
            return x if float(x.sum()) > 0 else -x

    with pytest.raises(ArtifactError, match="int8-qat: the conversion failed"):
        _compress(Branching(), "int8-qat")


def test_clustering_leaves_exactly_k_values_and_no_batch_norm(original: nn.Module) -> None:
    compressed = _compress(original, "cluster-16")
    for name in WEIGHTS:
        assert len(torch.unique(compressed.model.get_parameter(name))) == 16
    assert not any(isinstance(m, nn.BatchNorm2d) for m in compressed.model.modules())
    before = training.predict(original, X).argmax(1)
    assert (training.predict(compressed.model, X).argmax(1) == before).mean() > 0.9


def test_saved_weights_of_every_family_load_into_their_architecture(original: nn.Module, tmp_path: Path) -> None:
    for variant in ("original", "prune-0.6", "cluster-4", "sign"):
        compressed = _compress(original, variant)
        training.save_weights(tmp_path / "w", compressed.model.state_dict())
        blank = models.build("cnn", n_classes=10, in_shape=(1, 8, 8), width=8, seed=9)
        network = compression.architecture(blank, variant, sample_shape=(1, 8, 8))
        network.load_state_dict(training.load_weights(tmp_path / "w"))
        np.testing.assert_array_equal(training.predict(network, X), training.predict(compressed.model, X))


def test_the_finetuned_control_is_not_pruned(original: nn.Module) -> None:
    compressed = _compress(original, "finetuned")
    assert not np.array_equal(training.predict(compressed.model, X), training.predict(original, X))
    assert all((p != 0).all() for n, p in compressed.model.named_parameters() if n in WEIGHTS)
    assert compressed.provenance["finetune_epochs"] == 2


@pytest.mark.parametrize("numerics", compression.NUMERICS[1:])
def test_number_formats_are_left_to_the_exporter(original: nn.Module, numerics: str) -> None:
    compressed = _compress(original, numerics)
    assert compressed.numerics == numerics
    np.testing.assert_array_equal(training.predict(compressed.model, X), training.predict(original, X))
    assert "finetune_epochs" not in compressed.provenance


@pytest.mark.parametrize("variant", ["finetuned", "prune-0.6", "cluster-16", "ternary-0.9"])
def test_a_compressed_model_is_a_reproducible_copy_that_can_be_pickled(original: nn.Module, variant: str) -> None:
    before = {k: v.clone() for k, v in original.state_dict().items()}
    first, again = _compress(original, variant), _compress(original, variant)
    assert all(torch.equal(before[k], v) for k, v in original.state_dict().items())
    travelled = pickle.loads(pickle.dumps(first))  # noqa: S301 - our own bytes, as worker processes get them
    expected = training.predict(again.model, X)
    np.testing.assert_array_equal(training.predict(first.model, X), expected)
    np.testing.assert_array_equal(training.predict(travelled.model, X), expected)


@pytest.mark.parametrize(("grid", "levels"), [("sign", 2), ("ternary-0.9", 3), ("uniform-2", 4)])
def test_a_grid_leaves_few_values_and_no_batch_norm(original: nn.Module, grid: str, levels: int) -> None:
    compressed = _compress(original, grid)
    for name in WEIGHTS:
        weight = compressed.model.get_parameter(name)
        assert len(torch.unique(weight)) == levels == _by_weight(compressed, "distinct_values")[name]
        assert float((weight == 0).float().mean()) == pytest.approx(_by_weight(compressed, "share_zeros")[name])
    assert not any(isinstance(m, nn.BatchNorm2d) for m in compressed.model.modules())
    assert compressed.numerics == "fp32"
    assert "finetune_epochs" not in compressed.provenance


def test_a_grid_of_each_channel_has_its_own_levels(original: nn.Module) -> None:
    compressed = _compress(original, "uniform-2-channel")
    for name in WEIGHTS:
        weight = compressed.model.get_parameter(name)
        assert all(len(torch.unique(row)) <= 4 for row in weight.reshape(len(weight), -1))
        assert len(torch.unique(weight)) > 4


def test_quantizing_prunes_and_clusters_without_training(original: nn.Module) -> None:
    folded, _ = compression.fuse(original, sample_shape=(1, 8, 8))
    trained, folded_weights = dict(original.named_parameters()), dict(folded.named_parameters())
    pruned = dict(compression.quantize(original, "prune-0.6", sample_shape=(1, 8, 8)).model.named_parameters())
    shared = dict(compression.quantize(original, "cluster-4", sample_shape=(1, 8, 8)).model.named_parameters())
    for name, weight in trained.items():
        remains = pruned[name] != 0
        assert torch.equal(pruned[name][remains], weight[remains])
        if name in WEIGHTS:
            assert (~remains).sum() == int(0.6 * weight.numel())
            assert len(torch.unique(shared[name])) == 4
            spread = (shared[name] - folded_weights[name]).abs().mean()
            assert spread < folded_weights[name].abs().mean()  # each is near the value that it stands for
    int4 = compression.quantize(original, "int4", sample_shape=(1, 8, 8))
    assert int4.numerics == "int4"
    np.testing.assert_array_equal(training.predict(int4.model, X), training.predict(original, X))


@pytest.mark.parametrize("name", ["original", "finetuned", "ternary-2", "prune-2", "float8"])
def test_a_name_that_is_no_quantizer_is_refused_with_the_known_forms(original: nn.Module, name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}.*one of: fp32, fp16.*sign, ternary-.*prune-.*cluster-"):
        compression.quantize(original, name, sample_shape=(1, 8, 8))


def test_finetuning_can_be_stopped(original: nn.Module) -> None:
    with pytest.raises(InterruptedRunError):
        _compress(original, "prune-0.6", should_stop=lambda: True)
