"""Training, fine-tuning and asking on the fastest device there is; the harness's own loop is for processors alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from harness.errors import InputError

__all__ = ["Table", "answers", "best_device", "fit", "loss_of"]

MOMENTUM = 0.9
# Records of one forward pass when a network is asked.
ASK_BATCH = 500
# Axes of images and of the weights of their convolutions.
IMAGE_AXES = 4


@dataclass(frozen=True, eq=False)
class Table:
    """Records on the device where they are used.

    Args:
        inputs: ``[n, ...]``.
        labels: ``[n]``.
    """

    inputs: Tensor
    labels: Tensor


def best_device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fit(
    model: nn.Module,
    table: Table,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    optimizer: str,
    seed: int,
    weight_decay: float = 0.0,
    mask: Mapping[str, Tensor] | None = None,
    shared: Mapping[str, Tensor] | None = None,
) -> float:
    """Train in place with cross-entropy and a cosine learning rate; on a GPU in bfloat16 where that is safe.

    Args:
        model: on any device; it comes back on the processor, in evaluation mode.
        table: the members.
        mask: parameter name -> 0/1 tensor that it is multiplied with after every step.
        shared: parameter name -> number of the shared value of each weight, int64 of its shape.
        seed: of the order of the records.

    Returns:
        The mean loss of the last epoch.

    Raises:
        InputError: training diverged.
    """
    device = table.inputs.device
    _move(model, device, torch.channels_last)
    model.train()
    parameters = dict(model.named_parameters())
    kept = [(parameters[name], keep.to(device)) for name, keep in (mask or {}).items()]
    ties = [_Tied(parameters[name], ids.to(device)) for name, ids in (shared or {}).items()]
    tied = {id(tie.parameter) for tie in ties}
    trained = [p for p in parameters.values() if id(p) not in tied] + [tie.codebook for tie in ties]
    step = _optimizer(trained, optimizer, learning_rate=learning_rate, weight_decay=weight_decay)
    steps = math.ceil(len(table.labels) / batch_size)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(step, T_max=max(1, epochs * steps))
    order = torch.Generator().manual_seed(seed)
    total = torch.zeros((), device=device)
    for _ in range(epochs):
        total.zero_()
        for rows in torch.randperm(len(table.labels), generator=order).to(device).tensor_split(steps):
            model.zero_grad(set_to_none=True)
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
                loss = functional.cross_entropy(model(table.inputs[rows]), table.labels[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            for tie in ties:
                tie.gather()
            step.step()
            cosine.step()
            for parameter, keep in kept:
                parameter.data.mul_(keep)
            for tie in ties:
                tie.spread()
            total += loss.detach() * len(rows)
    mean = float(total) / len(table.labels)
    if not math.isfinite(mean):
        raise InputError("training diverged", hint="lower the learning rate")
    _move(model, torch.device("cpu"), torch.contiguous_format)
    model.eval()
    return mean


def answers(model: nn.Module, inputs: Tensor) -> NDArray[np.float32]:
    """Logits in full float32, ``[n, classes]``; the model comes back on the processor."""
    model.to(inputs.device).eval()
    with torch.inference_mode():
        logits = torch.cat([model(batch) for batch in torch.split(inputs, ASK_BATCH)])
    model.to("cpu")
    return np.asarray(logits.float().cpu().numpy(), dtype=np.float32)


def loss_of(model: nn.Module, table: Table) -> float:
    """Mean cross-entropy on some records; the model comes back on the processor."""
    logits = torch.from_numpy(answers(model, table.inputs))
    return float(functional.cross_entropy(logits, table.labels.cpu()))


class _Tied:
    """A tensor of few shared values: the values are trained instead of its weights."""

    def __init__(self, parameter: nn.Parameter, ids: Tensor) -> None:
        self.parameter = parameter
        self._ids = ids
        # One row a value: a product with it sums the gradients of the value's weights, in a fixed order on any device.
        self._rows = functional.one_hot(ids.reshape(-1)).T.to(parameter.dtype).contiguous()
        first = self._rows.argmax(dim=1)
        self.codebook = parameter.detach().reshape(-1)[first].clone().requires_grad_()

    def gather(self) -> None:
        """Give each value the sum of its weights' gradients."""
        if self.parameter.grad is not None:
            self.codebook.grad = self._rows @ self.parameter.grad.reshape(-1)

    def spread(self) -> None:
        """Write each value to its weights."""
        self.parameter.data.copy_(self.codebook.detach()[self._ids])


def _move(model: nn.Module, device: torch.device, layout: torch.memory_format) -> None:
    """To a device, and to the order of channels in which its convolutions are fastest."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(device, memory_format=layout if parameter.ndim == IMAGE_AXES else None)
    model.to(device)


def _optimizer(
    parameters: list[Tensor], name: str, *, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=learning_rate, momentum=MOMENTUM, weight_decay=weight_decay)
    return torch.optim.Adam(parameters, lr=learning_rate, weight_decay=weight_decay)
