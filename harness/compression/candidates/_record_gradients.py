"""Gradients of single records by a few weights: how the loss curves between them, and how records disagree there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.training import Inputs, reproducible
from harness.types import FloatArray, IntArray

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["block_moments"]

# Records that are looked at one by one, at most; a covariance of some hundred weights needs no more.
MAX_RECORDS = 2048
# Records of one pass.
TOGETHER = 64
# Labels drawn for each record where there are few.
MAX_DRAWS = 8
# Two ways to add up the same gradients in float32 differ by less than this share of the largest.
TOLERANCE = 1e-3

Places = Mapping[str, IntArray]


def block_moments(
    model: nn.Module, places: Places, inputs: Inputs, labels: IntArray, *, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Covariance of the records' gradients by M weights, and the curvature of the mean loss between these weights.

    The curvature is that of Gauss and Newton, which for cross-entropy is the mean of ``J^T (diag p - p p^T) J`` over
    the records, J the slope of the logits. It is estimated by the second moment of gradients whose labels are drawn
    from the model's own answers ``p`` (the Fisher information), so it costs one more pass and not one for each class.

    A record's gradient by single weights is made of what the layer read and of the slope by what it wrote, so a pass
    serves many records. A layer whose weight is used in another way as well (tied, or called as a function) is
    noticed by the sum of the first pass, and then the records are passed one by one.

    Args:
        model: in evaluation mode the loss is a function of each record alone; unchanged.
        places: name of a convolution's or linear layer's weight -> positions in it, flat; M in all.
        inputs: records ``[n, ...]``; a random choice of at most 2,048 is used.
        labels: int64 ``[n]``.
        seed: of the choice and of the labels drawn.

    Returns:
        ``(covariance, curvature)``, float64 ``[M, M]``, the weights in the order of ``places``.
    """
    import torch
    from torch.nn import functional

    was_training = model.training
    model.eval()
    size = sum(len(positions) for positions in places.values())
    total, squares, curvature = (
        torch.zeros(shape, dtype=torch.float64) for shape in (size, (size, size), (size, size))
    )
    with reproducible(seed=seed, threads=1):
        rows = torch.randperm(len(labels))[:MAX_RECORDS]
        draws = min(MAX_DRAWS, math.ceil(MAX_RECORDS / len(rows)))
        x, y = (torch.from_numpy(np.ascontiguousarray(values[rows.numpy()])) for values in (inputs, labels))
        together = TOGETHER if _is_read_by_layers(model, places, x[:TOGETHER], y[:TOGETHER]) else 1
        for records, classes in zip(torch.split(x, together), torch.split(y, together), strict=True):
            with _taps(model, places) as taps:
                logits = model(records)
                own = functional.cross_entropy(logits, classes, reduction="sum")
                gradients = _gradients(model, places, taps, own, alone=together == 1)
                total += gradients.sum(0)
                squares += gradients.T @ gradients
                for drawn in torch.multinomial(logits.detach().softmax(1), draws, replacement=True).T:
                    loss = functional.cross_entropy(logits, drawn, reduction="sum")
                    gradients = _gradients(model, places, taps, loss, alone=together == 1)
                    curvature += gradients.T @ gradients / draws
    model.train(was_training)
    mean = total / len(x)
    covariance = squares / len(x) - torch.outer(mean, mean)
    return covariance.numpy(), (curvature / len(x)).numpy()


# What a layer read, and zeros that were added to what it wrote, once for each call.
_Taps = dict[str, list[tuple["Tensor", "Tensor"]]]


@contextmanager
def _taps(model: nn.Module, places: Places) -> Iterator[_Taps]:
    """Notes what the layers of these weights read; the slope by the added zeros is the slope by what they wrote."""
    import torch

    taps: _Taps = {name: [] for name in places}

    def hook(name: str) -> Any:
        def noted(_layer: nn.Module, read: tuple[Tensor, ...], wrote: Tensor) -> Tensor:
            zeros = torch.zeros_like(wrote, requires_grad=True)
            taps[name].append((read[0].detach(), zeros))
            return wrote + zeros

        return noted

    handles = [model.get_submodule(name.rpartition(".")[0]).register_forward_hook(hook(name)) for name in places]
    try:
        yield taps
    finally:
        for handle in handles:
            handle.remove()


def _gradients(model: nn.Module, places: Places, taps: _Taps, loss: Tensor, *, alone: bool) -> Tensor:
    """Gradients of the records of one pass, float64 ``[records, M]``."""
    import torch

    if alone:
        return _summed(model, places, loss)[None]
    zeros = [added for calls in taps.values() for _, added in calls]
    slopes = iter(torch.autograd.grad(loss, zeros, retain_graph=True, allow_unused=True, materialize_grads=True))
    columns = []
    for name, positions in places.items():
        layer = model.get_submodule(name.rpartition(".")[0])
        parts = [_of_call(layer, read, next(slopes), positions) for read, _ in taps[name]]
        columns.append(torch.stack(parts).sum(0))
    return torch.cat(columns, dim=1).double()


def _summed(model: nn.Module, places: Places, loss: Tensor) -> Tensor:
    """Gradient of the sum over the records of one pass, float64 ``[M]``."""
    import torch

    weights = [model.get_parameter(name) for name in places]
    whole = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True, materialize_grads=True)
    chosen = [g.reshape(-1)[torch.from_numpy(at)] for g, at in zip(whole, places.values(), strict=True)]
    return torch.cat(chosen).double()


def _is_read_by_layers(model: nn.Module, places: Places, inputs: Tensor, labels: Tensor) -> bool:
    """Whether the layers' calls account for the whole gradient."""
    from torch.nn import functional

    with _taps(model, places) as taps:
        loss = functional.cross_entropy(model(inputs), labels, reduction="sum")
        if not all(calls and calls[0][0].shape[0] == len(inputs) for calls in taps.values()):
            return False
        parts = _gradients(model, places, taps, loss, alone=False)
        whole = _summed(model, places, loss)
    difference = float((parts.sum(0) - whole).abs().max())
    return difference <= TOLERANCE * max(float(whole.abs().max()), float(parts.abs().max()))


def _of_call(layer: Any, read: Tensor, slope: Tensor, positions: IntArray) -> Tensor:
    """Gradients by single weights of a linear layer or a convolution, ``[records, positions]``."""
    import torch
    from torch import nn
    from torch.nn import functional

    output, *at = np.unravel_index(positions, layer.weight.shape)
    if isinstance(layer, nn.Linear):
        read, slope = (values.reshape(len(values), -1, values.shape[-1]) for values in (read, slope))
        return (read[..., torch.from_numpy(at[0])] * slope[..., torch.from_numpy(output)]).sum(1)
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = functional.pad(read, layer._reversed_padding_repeated_twice, mode=mode)
    channels = at[0] + output // (layer.out_channels // layer.groups) * layer.weight.shape[1]
    columns = []
    for i, (written, channel) in enumerate(zip(output.tolist(), channels.tolist(), strict=True)):
        seen = [
            slice(int(tap[i]) * dilation, int(tap[i]) * dilation + (length - 1) * stride + 1, stride)
            for tap, dilation, stride, length in zip(at[1:], layer.dilation, layer.stride, slope.shape[2:], strict=True)
        ]
        columns.append((padded[:, channel, *seen] * slope[:, written]).flatten(1).sum(1))
    return torch.stack(columns, dim=1)
