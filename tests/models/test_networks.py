"""Every architecture: the papers' sizes, images of all sizes, equal weights for equal seeds, and that it learns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from harness import compression, models, training
from harness.compression._layers import weights_of
from tests.architectures import IMAGES, SEQUENCE, TEXTS, build, digits

# Passes over the records: the small networks need more, and the deep ones take long.
EPOCHS = {"cnn": 25, "mlp": 12, "bert": 30, "gpt2": 20}


def test_every_model_name_is_covered_by_these_tests() -> None:
    assert {*IMAGES, *TEXTS, "mlp"} == set(models.names())


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64)])
@pytest.mark.parametrize("name", IMAGES)
def test_images_of_every_size_become_logits(name: str, shape: tuple[int, ...]) -> None:
    model = build(name, shape=shape, n_classes=7).eval()
    records = torch.randn(3, *shape)
    with torch.inference_mode():
        logits = model(records)
        assert logits.shape == (3, 7)
        assert torch.isfinite(logits).all()
        # In evaluation mode a record's answer does not depend on its neighbours.
        assert torch.allclose(logits[:1], model(records[:1]), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "width", "parameters"),
    [
        ("resnet50", 64, 23_520_842),
        # With batch norm after every convolution, so without the convolutions' offsets.
        ("vgg16-bn", 64, 14_724_042),
        # The paper's 3.4 million with 1,000 classes, of which 1,281,000 are the last layer's.
        ("mobilenetv2", 32, 2_236_682),
        ("densenet121", 32, 6_956_298),
    ],
)
def test_full_widths_have_the_papers_numbers_of_parameters(name: str, width: int, parameters: int) -> None:
    model = build(name, shape=(3, 32, 32), width=width)
    assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.parametrize("name", [name for name in IMAGES if name != "cnn"])
def test_the_stem_strides_over_large_images_only(name: str) -> None:
    strides = {side: next(_convolutions(build(name, shape=(3, side, side)))).stride for side in (32, 64)}
    assert strides == {32: (1, 1), 64: (2, 2)}


def _convolutions(model: nn.Module) -> Iterator[nn.Conv2d]:
    return (module for module in model.modules() if isinstance(module, nn.Conv2d))


@pytest.mark.parametrize("name", models.names())
def test_weights_depend_on_the_seed_alone(name: str) -> None:
    shape = (1, 8, 8) if name in IMAGES else (SEQUENCE,)
    torch.manual_seed(99)
    before = torch.get_rng_state()
    first, again, other = (build(name, shape=shape, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert first.keys() == again.keys()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", models.names())
def test_every_architecture_learns_64_digits_and_its_saved_weights_load(name: str, tmp_path: Path) -> None:
    inputs, labels = digits(name, 64)
    model = build(name, shape=inputs.shape[1:])
    epochs = EPOCHS.get(name, 7)
    trained = training.train(model, inputs, labels, epochs=epochs, batch_size=16, learning_rate=5e-3, seed=0)
    assert trained.losses[-1] < 0.75 * trained.losses[0]
    training.save_weights(tmp_path / "weights.safetensors", trained.state_dict)
    blank = build(name, shape=inputs.shape[1:], seed=5)
    blank.load_state_dict(training.load_weights(tmp_path / "weights.safetensors"))
    np.testing.assert_array_equal(training.predict(blank, inputs), training.predict(model, inputs))


@pytest.mark.parametrize("name", models.names())
def test_the_weights_of_every_layer_can_be_compressed(name: str) -> None:
    """Every convolution and linear layer is weights; token and position tables are left as they are."""
    model = build(name, shape=(3, 32, 32) if name in IMAGES else (SEQUENCE,))
    weights = weights_of(model)
    matrices = {key for key, p in model.named_parameters() if p.ndim >= 2}
    tables = {key for key in matrices if "embeddings." in key or ".wte." in key or ".wpe." in key}
    assert weights.keys() == matrices - tables
    assert bool(tables) == (name in TEXTS)


@pytest.mark.parametrize(
    ("name", "kept", "all_norms"),
    # One in front of each of DenseNet's 58 first convolutions, of three transitions and of the last layer.
    [("densenet121", 62, 120), ("mobilenetv2", 0, 52), ("resnet50", 0, 53), ("vgg16-bn", 0, 13), ("bert", 0, 0)],
)
def test_batch_norm_is_folded_where_a_convolution_comes_before_it(name: str, kept: int, all_norms: int) -> None:
    inputs, labels = digits(name, 64)
    model = build(name, shape=inputs.shape[1:])
    training.train(model, inputs, labels, epochs=1, batch_size=16, learning_rate=5e-3, seed=0)
    folded, difference = compression.fuse(model, sample_shape=inputs.shape[1:])
    assert (_norms(folded), _norms(model)) == (kept, all_norms)
    assert difference < 1e-5
    expected = training.predict(model, inputs)
    np.testing.assert_allclose(training.predict(folded, inputs), expected, atol=1e-5 * max(1, np.abs(expected).max()))


def _norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


@pytest.mark.parametrize("name", ["densenet121", "gpt2"])
@pytest.mark.parametrize("variant", ["prune-0.5", "cluster-4"])
def test_compression_reaches_every_weight(name: str, variant: str) -> None:
    inputs, labels = digits(name, 64)
    model = build(name, shape=inputs.shape[1:])
    compressed = compression.compress(
        model, variant, inputs=inputs, labels=labels, finetune_epochs=1, finetune_learning_rate=1e-3, batch_size=32,
        seed=0,
    )  # fmt: skip
    weights = weights_of(compressed.model)
    assert weights.keys() == weights_of(model).keys()
    for weight in weights.values():
        if variant == "prune-0.5":
            assert (weight == 0).sum() == weight.numel() // 2
        else:
            assert len(torch.unique(weight)) <= 4
    # The saved weights find their network again.
    blank = compression.architecture(build(name, shape=inputs.shape[1:]), variant, sample_shape=inputs.shape[1:])
    blank.load_state_dict(compressed.model.state_dict())
