"""Quantization of weights to a low-bit grid after training."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from harness.compression._fuse import fuse
from harness.compression._layers import weights_of
from harness.compression.grids import fit

__all__ = ["round_to_grid"]


def round_to_grid(model: nn.Module, *, grid: str, sample_shape: tuple[int, ...]) -> tuple[nn.Module, dict[str, object]]:
    """Round each convolution's and linear layer's weight to the levels of a grid fitted to it, after training.

    Batch norm is folded first: folded later, it would scale each output channel by its own factor and the file would
    hold the levels once per channel. Biases stay as they are. The exported file stores few distinct values as float32
    numbers: it leaks as packed weights would, but is not smaller.

    Args:
        model: the trained original; unchanged.
        grid: see ``grids.FORMS``.
        sample_shape: shape of one record, to verify the folding.

    Returns:
        A folded copy, and each tensor's distinct values and share of zeros.
    """
    folded, difference = fuse(model, sample_shape=sample_shape)
    values, zeros = {}, {}
    for name, weight in weights_of(folded).items():
        trained = weight.detach().numpy()
        rounded = fit(trained, grid).quantize(trained).astype(np.float32)
        weight.data.copy_(torch.from_numpy(rounded))
        values[name], zeros[name] = len(np.unique(rounded)), float((rounded == 0).mean())
    return folded, {"distinct_values": values, "share_zeros": zeros, "folding_max_difference": difference}
