"""Unstructured magnitude pruning, layer by layer or over all layers, with a mask that fine-tuning preserves."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from harness.compression._layers import weights_of

__all__ = ["magnitude_mask", "prune"]


def magnitude_mask(weight: Tensor, *, sparsity: float) -> Tensor:
    """A 0/1 tensor of the weight's shape that is 0 for the ``int(sparsity * numel)`` weights of least magnitude.

    The number is exact: among equal magnitudes those that come first are dropped.
    """
    drop = int(sparsity * weight.numel())
    order = torch.argsort(weight.detach().abs().reshape(-1), stable=True)
    keep = torch.ones_like(weight.detach()).reshape(-1)
    keep[order[:drop]] = 0.0
    return keep.view_as(weight)


def prune(
    model: nn.Module, *, sparsity: float, finetune: Callable[..., None], across: bool = False
) -> tuple[nn.Module, dict[str, object]]:
    """Prune every layer to the same share of zeros in one shot, then fine-tune (Han et al. 2015; NNI's level pruner).

    Zeros survive the folding of batch norm at export, which scales whole output channels.

    Args:
        model: changed in place.
        sparsity: share of zeros in each convolution's and linear layer's weight.
        finetune: called as ``finetune(model, mask=...)`` on the pruned model.
        across: remove the least weights of the whole network, so that the layers' shares differ.
    """
    weights = weights_of(model)
    if across:
        all_weights = torch.cat([weight.detach().reshape(-1) for weight in weights.values()])
        parts = torch.split(magnitude_mask(all_weights, sparsity=sparsity), [w.numel() for w in weights.values()])
        mask = {name: part.view_as(weights[name]) for name, part in zip(weights, parts, strict=True)}
    else:
        mask = {name: magnitude_mask(weight, sparsity=sparsity) for name, weight in weights.items()}
    for name, weight in weights.items():
        weight.data.mul_(mask[name])
    finetune(model, mask=mask)
    zeros = {name: float((weight == 0).sum() / weight.numel()) for name, weight in weights_of(model).items()}
    return model, {"share_zeros": zeros}
