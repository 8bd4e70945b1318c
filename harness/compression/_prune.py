"""Unstructured magnitude pruning, layer by layer, with the mask held through fine-tuning."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from harness.compression._layers import weights_of

__all__ = ["magnitude_mask", "prune"]


def magnitude_mask(weight: Tensor, *, sparsity: float) -> Tensor:
    """A 0/1 tensor of the weight's shape that drops the ``int(sparsity * numel)`` weights of least magnitude.

    Exactly that many: among equal magnitudes those that come first are dropped.
    """
    drop = int(sparsity * weight.numel())
    order = torch.argsort(weight.detach().abs().reshape(-1), stable=True)
    keep = torch.ones_like(weight.detach()).reshape(-1)
    keep[order[:drop]] = 0.0
    return keep.view_as(weight)


def prune(model: nn.Module, *, sparsity: float, finetune: Callable[..., None]) -> tuple[nn.Module, dict[str, object]]:
    """Prune every layer to the same share of zeros in one shot, then fine-tune (Han et al. 2015; NNI's level pruner).

    Zeros survive the folding of batch norm at export, which scales whole output channels.

    Args:
        model: changed in place.
        sparsity: share of zeros in each convolution's and linear layer's weight.
        finetune: called as ``finetune(model, mask=...)``.
    """
    mask = {name: magnitude_mask(weight, sparsity=sparsity) for name, weight in weights_of(model).items()}
    finetune(model, mask=mask)
    zeros = {name: float((weight == 0).sum() / weight.numel()) for name, weight in weights_of(model).items()}
    return model, {"share_zeros": zeros}
