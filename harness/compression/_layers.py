"""The tensors that are compressed: weights of convolutions and linear layers."""

from __future__ import annotations

from torch import nn

__all__ = ["weights_of"]

WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


def weights_of(model: nn.Module) -> dict[str, nn.Parameter]:
    """Parameter name -> weight of every convolution and linear layer; biases and batch norm are not included."""
    owners = {name for name, module in model.named_modules() if isinstance(module, WEIGHTED)}
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if name.rpartition(".")[0] in owners and name.rpartition(".")[2] == "weight"
    }
