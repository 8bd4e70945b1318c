"""Folding batch norm: the same answers, and networks that cannot be folded are refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from harness import compression, models
from harness.errors import ArtifactError


def _as_trained(model: nn.Module) -> nn.Module:
    """Give batch norm statistics and factors such as training leaves behind."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.get_buffer("running_mean"), 0.0, 0.5)
            nn.init.uniform_(module.get_buffer("running_var"), 0.3, 3.0)
            nn.init.normal_(module.weight, 1.0, 0.4)
            nn.init.normal_(module.bias, 0.0, 0.4)
    return model


def _norms(model: nn.Module) -> int:
    return sum(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in model.modules())


@pytest.mark.parametrize(("name", "norms"), [("cnn", 3), ("resnet18", 20)])
def test_folding_removes_batch_norm_and_keeps_the_answers(name: str, norms: int) -> None:
    model = _as_trained(models.build(name, n_classes=5, in_shape=(3, 16, 16), width=4)).train()
    assert _norms(model) == norms
    before = {k: v.clone() for k, v in model.state_dict().items()}
    folded, difference = compression.fuse(model, sample_shape=(3, 16, 16))
    assert _norms(folded) == 0
    assert 0 < difference < 1e-4
    x = torch.randn(4, 3, 16, 16)
    with torch.inference_mode():
        assert torch.allclose(model.eval()(x), folded(x), atol=1e-4)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert type(folded) is type(model)
    assert all(parameter.requires_grad for parameter in folded.parameters())  # the new biases are trained, too


def test_batch_norm_is_folded_into_a_linear_layer() -> None:
    model = _as_trained(nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2)))
    folded, _ = compression.fuse(model, sample_shape=(1, 2, 3))
    assert _norms(folded) == 0


def test_batch_norm_is_not_folded_into_a_layer_that_others_read() -> None:
    class Fork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.conv(x)
            mean: torch.Tensor = (y + self.norm(y)).mean((2, 3))
            return mean

    folded, difference = compression.fuse(_as_trained(Fork()), sample_shape=(1, 4, 4))
    assert _norms(folded) == 1
    assert difference == 0


def test_batch_norm_is_not_folded_into_a_layer_that_is_called_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.norm(self.conv(self.conv(x))).mean((2, 3)).repeat(1, 2)
            return logits

    folded, _ = compression.fuse(_as_trained(Twice()), sample_shape=(1, 4, 4))
    assert _norms(folded) == 1


@pytest.mark.parametrize("functional", [False, True])
def test_batch_norm_of_a_network_for_token_ids_is_folded(functional: bool) -> None:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.head, self.norm = nn.Embedding(2, 4), nn.Linear(4, 3), nn.BatchNorm1d(3)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            looked_up = nn.functional.embedding(ids, self.words.weight) if functional else self.words(ids)
            logits: torch.Tensor = self.norm(self.head(looked_up.mean(1)))
            return logits

    folded, difference = compression.fuse(_as_trained(Words()), sample_shape=(5,))
    assert _norms(folded) == 0
    assert difference < 1e-5


def test_a_network_without_batch_norm_is_not_traced() -> None:
    class Untraceable(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x.flatten(1) if x.sum() > 0 else -x.flatten(1))

    folded, difference = compression.fuse(Untraceable(4, 2), sample_shape=(1, 2, 2))
    assert difference == 0
    assert isinstance(folded, Untraceable)


def test_control_flow_that_depends_on_the_input_is_refused() -> None:
    class Fickle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.norm(self.conv(x if x.sum() > 0 else -x)).mean((2, 3))
            return logits

    with pytest.raises(ArtifactError, match="Fickle: batch norm cannot be folded"):
        compression.fuse(Fickle(), sample_shape=(1, 4, 4))
