"""Gradient descent on cross-entropy: training, and fine-tuning that preserves a compression."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import ConfigError, InputError, InterruptedRunError
from harness.packages import require
from harness.training._augment import augmented, check_images
from harness.training._predict import Inputs, reproducible
from harness.training._weights import StateDict
from harness.types import IntArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = ["Clusters", "Trained", "finetune", "train"]

Progress = Callable[[int, int, float], None]

OPTIMIZERS = ("adam", "sgd")
# Momentum of the sgd option, as in the papers.
SGD_MOMENTUM = 0.9


@dataclass(frozen=True, eq=False)
class Trained:
    """The result of training.

    Args:
        state_dict: the weights after the last epoch.
        checkpoints: the weights after each of the last epochs, oldest first; the last one is ``state_dict``.
        losses: mean training loss of each epoch.
    """

    state_dict: StateDict
    checkpoints: tuple[StateDict, ...]
    losses: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Clusters:
    """Weight sharing of one tensor: the codebook entry of each weight.

    Args:
        ids: int64, the tensor's shape, values ``0..k - 1``.
        codebook: float32 ``[k]``, the initial shared values.
    """

    ids: Tensor
    codebook: Tensor


def train(
    model: nn.Module,
    inputs: Inputs,
    labels: IntArray,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    threads: int = 1,
    optimizer: str = "adam",
    weight_decay: float = 0.0,
    augment: bool = False,
    checkpoints: int = 0,
    progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Trained:
    """Train a model in place with cross-entropy and a cosine learning rate, for a fixed number of epochs.

    Bit-identical on one machine for equal arguments, the number of threads among them.

    Args:
        model: maps ``[b, ...]`` to logits ``[b, n_classes]``; its weights are changed.
        inputs: float32 ``[n, ...]``, or token ids, int64 ``[n, sequence]``.
        labels: int64 ``[n]``.
        epochs: passes over the records.
        batch_size: records a step; the batches are of nearly equal size, so none is tiny.
        learning_rate: at the first step; it falls to zero along a half cosine.
        seed: seed of the order of the records, of augmentation and of dropout.
        threads: torch's threads while training.
        optimizer: ``adam`` or ``sgd`` (momentum 0.9).
        weight_decay: passed to the optimizer.
        augment: flip and shift images in training (only there: a transform on one pool alone fakes an attack).
        checkpoints: number of last epochs whose weights are returned.
        progress: called with (epoch from 1, epochs, mean loss) after each epoch.
        should_stop: called before each epoch; True stops the training.

    Raises:
        ConfigError: a number is out of range or the optimizer is not known.
        InputError: the arrays do not fit each other, or training diverged.
        InterruptedRunError: ``should_stop`` returned True.
    """
    last_weights: list[StateDict] = []
    losses: list[float] = []

    def after_epoch(epoch: int, loss: float) -> None:
        losses.append(loss)
        if epoch > epochs - checkpoints:
            last_weights.append(_copy_weights(model))
        if progress is not None:
            progress(epoch, epochs, loss)

    _fit(
        model,
        inputs,
        labels,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        threads=threads,
        optimizer=optimizer,
        weight_decay=weight_decay,
        augment=augment,
        after_epoch=after_epoch,
        should_stop=should_stop,
    )
    return Trained(_copy_weights(model), tuple(last_weights), tuple(losses))


def finetune(
    model: nn.Module,
    inputs: Inputs,
    labels: IntArray,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    threads: int = 1,
    optimizer: str = "adam",
    mask: Mapping[str, Tensor] | None = None,
    clusters: Mapping[str, Clusters] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> None:
    """Fine-tune a model in place, preserving its compression.

    Args:
        mask: parameter name -> 0/1 tensor; the parameter is multiplied by it before the first and after every step.
        clusters: parameter name -> sharing; the codebook is trained instead of the parameter. Its gradient is the
            sum of its weights' gradients, so shared weights stay bit-equal.
        model: see :func:`train`, as the other arguments.

    Raises:
        ConfigError, InputError, InterruptedRunError: as :func:`train`; ConfigError also for an unknown parameter.
    """
    parameters = dict(model.named_parameters())
    unknown = sorted({*(mask or ()), *(clusters or ())} - parameters.keys())
    if unknown:
        raise ConfigError(
            f"fine-tuning: the model has no parameter {unknown[0]!r}", hint="name parameters of this model"
        )
    ties = _Ties({parameters[name]: shared for name, shared in (clusters or {}).items()})
    masked = [(parameters[name], keep) for name, keep in (mask or {}).items()]

    def restore() -> None:
        for parameter, keep in masked:
            parameter.data.mul_(keep)
        ties.spread()

    restore()
    _fit(
        model,
        inputs,
        labels,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        threads=threads,
        optimizer=optimizer,
        ties=ties,
        after_step=restore,
        should_stop=should_stop,
    )


def _fit(
    model: nn.Module,
    inputs: Inputs,
    labels: IntArray,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    threads: int,
    optimizer: str,
    weight_decay: float = 0.0,
    augment: bool = False,
    ties: _Ties | None = None,
    after_step: Callable[[], None] | None = None,
    after_epoch: Callable[[int, float], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> None:
    require("torch")
    import torch
    from torch.nn import functional

    _check(inputs, labels, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, optimizer=optimizer)
    if augment:
        check_images(inputs)
    x = torch.from_numpy(np.ascontiguousarray(inputs))
    y = torch.from_numpy(np.ascontiguousarray(labels))
    ties = ties or _Ties({})
    steps = math.ceil(len(x) / batch_size)
    model.train()
    with reproducible(seed=seed, threads=threads):
        step = _optimizer(ties.trainable(model), optimizer, learning_rate=learning_rate, weight_decay=weight_decay)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(step, T_max=max(1, epochs * steps))
        for epoch in range(1, epochs + 1):
            if should_stop is not None and should_stop():
                raise InterruptedRunError("training was stopped", hint="the same command resumes")
            total = torch.zeros(())
            # Slices of nearly equal size: no loader processes, and no last batch of one record (bad for batch norm).
            for rows in torch.randperm(len(x)).tensor_split(steps):
                batch = augmented(x[rows]) if augment else x[rows]
                model.zero_grad(set_to_none=True)
                loss = functional.cross_entropy(model(batch), y[rows])
                loss.backward()  # type: ignore[no-untyped-call]
                ties.gather()
                step.step()
                cosine.step()
                if after_step is not None:
                    after_step()
                total += loss.detach() * len(rows)
            mean = float(total) / len(x)
            if not math.isfinite(mean):
                raise InputError(f"training diverged in epoch {epoch}", hint="lower the learning rate")
            if after_epoch is not None:
                after_epoch(epoch, mean)
    model.eval()


class _Ties:
    """Codebooks that are trained instead of the tensors that share their values."""

    def __init__(self, shared: Mapping[nn.Parameter, Clusters]) -> None:
        self._shared = [(p, c.ids.reshape(-1), c.codebook.clone().requires_grad_()) for p, c in shared.items()]

    def trainable(self, model: nn.Module) -> list[Tensor]:
        tied = {id(parameter) for parameter, _, _ in self._shared}
        free = [p for p in model.parameters() if id(p) not in tied and p.requires_grad]
        return [*free, *(codebook for _, _, codebook in self._shared)]

    def gather(self) -> None:
        """Give each codebook entry the sum of its weights' gradients (index_add: one pass, in a fixed order)."""
        for parameter, ids, codebook in self._shared:
            if parameter.grad is not None:
                codebook.grad = codebook.new_zeros(len(codebook)).index_add_(0, ids, parameter.grad.reshape(-1))

    def spread(self) -> None:
        """Write every codebook entry to its weights."""
        for parameter, ids, codebook in self._shared:
            parameter.data.copy_(codebook.detach()[ids].view_as(parameter))


def _optimizer(
    parameters: list[Tensor], name: str, *, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    import torch

    if name == "sgd":
        return torch.optim.SGD(parameters, lr=learning_rate, momentum=SGD_MOMENTUM, weight_decay=weight_decay)
    return torch.optim.Adam(parameters, lr=learning_rate, weight_decay=weight_decay)


def _copy_weights(model: nn.Module) -> StateDict:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _check(
    inputs: Inputs,
    labels: IntArray,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    optimizer: str,
) -> None:
    if len(inputs) == 0 or len(inputs) != len(labels):
        raise InputError(f"training: {len(inputs)} inputs and {len(labels)} labels; give one label per record")
    if epochs < 0 or batch_size < 1 or not learning_rate > 0:
        raise ConfigError(
            f"training: epochs {epochs}, batch_size {batch_size}, learning_rate {learning_rate}",
            hint="epochs must be 0 or more, batch_size 1 or more, learning_rate above 0",
        )
    if optimizer not in OPTIMIZERS:
        raise ConfigError(f"training: optimizer {optimizer!r} is not known", hint=f"one of: {', '.join(OPTIMIZERS)}")
