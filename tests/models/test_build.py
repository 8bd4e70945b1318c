"""Building an architecture by name: shapes, seeds, and models that cannot be built."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from harness import models
from harness.errors import ConfigError, DependencyError
from harness.packages import require


@pytest.mark.parametrize(("name", "shape"), [("cnn", (1, 8, 8)), ("cnn", (3, 32, 32)), ("resnet18", (3, 32, 32))])
def test_records_become_logits(name: str, shape: tuple[int, ...]) -> None:
    model = models.build(name, n_classes=7, in_shape=shape, width=4).eval()
    with torch.inference_mode():
        logits = model(torch.randn(5, *shape))
    assert logits.shape == (5, 7)
    # Logits, not probabilities: rows do not sum to one.
    assert not torch.allclose(logits.sum(1), torch.ones(5))


def test_resnet18_at_full_width_has_the_papers_number_of_parameters() -> None:
    model = models.build("resnet18", n_classes=10, in_shape=(3, 32, 32), width=64)
    assert sum(p.numel() for p in model.parameters()) == 11_173_962


def test_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(99)
    before = torch.get_rng_state()
    first, again, other = (models.build("cnn", n_classes=3, in_shape=(1, 8, 8), width=4, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first.get_parameter("head.weight"), other.get_parameter("head.weight"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "vit"}, "'vit' is not known.*bert, cnn, densenet121.*or package.module:factory"),
        ({"width": 0}, "width 0"),
        ({"n_classes": 1}, "1 classes"),
        ({"in_shape": (8, 8)}, "channels, height, width"),
        ({"in_shape": (64,)}, "cnn: it takes image records, the data set has table records of shape.*mlp"),
        ({"in_shape": (64,), "vocabulary": 9}, "cnn: it takes image records, the data set has text.*bert, gpt2"),
        ({"name": "mlp"}, "mlp: it takes table records, the data set has image records"),
        ({"name": "gpt2", "in_shape": (64,)}, "gpt2: it takes text records, the data set has table records"),
        ({"name": "bert", "in_shape": (64,), "vocabulary": 9, "heads": 3}, "width 4 is not a multiple of heads 3"),
        ({"pretrained": "weights"}, "model.pretrained: cnn does not start from a folder's weights"),
    ],
)
def test_a_model_that_cannot_be_built_is_refused_with_the_reason(change: dict[str, Any], message: str) -> None:
    asked: dict[str, Any] = {"name": "cnn", "n_classes": 3, "in_shape": (1, 8, 8), "width": 4} | change
    with pytest.raises(ConfigError, match=message):
        models.build(**asked)


def test_a_missing_package_is_refused_with_its_install_command() -> None:
    with pytest.raises(DependencyError, match=r'no_such_package is not installed.*pip install "edgeleak\[export\]"'):
        require("torch", "no_such_package")
