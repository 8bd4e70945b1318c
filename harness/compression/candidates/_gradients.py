"""Mean and variance of the loss gradient over records, for a quadratic approximation of the loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import InputError
from harness.training import Inputs, reproducible
from harness.types import IntArray

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Gradients", "gradients"]

# Records that share a backward pass: fewer estimate the variance better, more are faster.
BATCH = 8


@dataclass(frozen=True, eq=False)
class Gradients:
    """Moments of the gradient of one record's cross-entropy, by trained parameter.

    Args:
        mean: parameter name -> mean over the records, float64.
        variance: parameter name -> variance over the records, float64: the diagonal of the Fisher information.
    """

    mean: Mapping[str, Tensor]
    variance: Mapping[str, Tensor]


def gradients(model: nn.Module, inputs: Inputs, labels: IntArray, *, seed: int) -> Gradients:
    """Estimate mean and variance of a record's gradient from the mean gradients of small random batches.

    The mean of b records varies b times less than one record, so the variance between batches, times b, estimates it
    without a pass for each record. The model runs in evaluation mode and is unchanged.

    Raises:
        InputError: there are fewer than two batches of records.
    """
    import torch
    from torch.nn import functional

    if len(inputs) < 2 * BATCH:
        raise InputError(
            f"gradients: {len(inputs)} records, at least {2 * BATCH} are needed", hint="train on more records"
        )
    x, y = (torch.from_numpy(np.ascontiguousarray(values)) for values in (inputs, labels))
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    total = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in parameters.items()}
    squares = {name: torch.zeros_like(sums) for name, sums in total.items()}
    batches = math.ceil(len(x) / BATCH)
    was_training = model.training
    model.eval()
    with reproducible(seed=seed, threads=1):
        for rows in torch.randperm(len(x)).tensor_split(batches):
            loss = functional.cross_entropy(model(x[rows]), y[rows])
            batch_gradients = torch.autograd.grad(
                loss, list(parameters.values()), allow_unused=True, materialize_grads=True
            )
            for name, gradient in zip(parameters, batch_gradients, strict=True):
                total[name] += gradient
                squares[name] += gradient.double() ** 2
    model.train(was_training)
    mean = {name: sums / batches for name, sums in total.items()}
    size = len(x) / batches
    variance = {
        name: (size * (squares[name] - batches * mean[name] ** 2) / (batches - 1)).clamp(min=0.0) for name in mean
    }
    return Gradients(mean, variance)
