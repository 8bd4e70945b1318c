"""Candidates by noise: a Gaussian approximation of training on other records."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_softmax

from harness.compression.candidates._gradients import gradients
from harness.errors import InputError
from harness.training import Inputs, predict
from harness.types import FloatArray, IntArray

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["EPSILONS", "bearable_factor", "perturb"]

# Sizes of the noise, used in turn.
EPSILONS = (0.5, 1.0, 2.0)
# The factor is halved at most this many times; 2^-40 is below the rounding of float32.
MAX_HALVINGS = 40


def perturb(
    model: nn.Module, inputs: Inputs, labels: IntArray, *, count: int, seed: int
) -> Iterator[dict[str, Tensor]]:
    """Weights of the model plus ``eps * c * N(0, V / n)``, eps going through 0.5, 1, 2.

    V is the inverse of the diagonal Fisher information, damped by its mean: ``1 / (F + mean F)``. With more parameters
    than records, most of that noise falls on weights that no record determines, and would destroy the network. So c is
    the first of 1, 1/2, 1/4, ... at which noise with eps = 1 raises the mean training loss by no more than one
    standard error of it: such candidates could be preferred by another sample. It stays 1 for small models.

    Args:
        model: unchanged; buffers (the statistics of batch norm) stay as they are.
        inputs: the training records, ``[n, ...]``, at least 16.
        labels: int64 ``[n]``.
        count: candidates to make, numbers 1 to ``count``.
        seed: of the noise; candidate k gets noise k, the same for every quantizer.

    Yields:
        One state dict per candidate.

    Raises:
        InputError: there are too few records, or their loss does not depend on the weights.
    """
    moments = gradients(model, inputs, labels, seed=seed)
    diagonal = {name: variance.numpy() for name, variance in moments.variance.items()}
    size = sum(values.size for values in diagonal.values())
    damping = sum(float(values.sum()) for values in diagonal.values()) / size
    if not damping > 0:
        raise InputError("perturbation: no weight changes the loss of any record", hint="choose another mis.generator")
    scale = {name: ((values + damping) * len(inputs)) ** -0.5 for name, values in diagonal.items()}

    def perturbed(number: int, epsilon: float) -> dict[str, Tensor]:
        return _perturbed(model, scale, np.random.default_rng([seed, number]), epsilon)

    probe = copy.deepcopy(model).eval()

    def losses(factor: float) -> FloatArray:
        probe.load_state_dict(perturbed(1, factor))
        return _losses(probe, inputs, labels)

    factor = bearable_factor(_losses(probe, inputs, labels), losses)
    for number in range(1, count + 1):
        yield perturbed(number, factor * EPSILONS[(number - 1) % len(EPSILONS)])


def bearable_factor(before: FloatArray, losses: Callable[[float], FloatArray]) -> float:
    """The first of 1, 1/2, 1/4, ... at which the mean loss rises by no more than one standard error of it.

    Args:
        before: loss of each record without noise, ``[n]``.
        losses: the same with noise times a factor.
    """
    allowed = float(before.std(ddof=1)) / len(before) ** 0.5
    factor = 1.0
    for _ in range(MAX_HALVINGS):
        with np.errstate(invalid="ignore"):
            rise = float((losses(factor) - before).mean())
        if rise <= allowed:  # false where a loss overflowed
            break
        factor /= 2
    return factor


def _perturbed(
    model: nn.Module, scale: Mapping[str, FloatArray], rng: np.random.Generator, epsilon: float
) -> dict[str, Tensor]:
    import torch

    weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
    for name, deviation in scale.items():
        noise = epsilon * deviation * rng.standard_normal(deviation.shape)
        weights[name] += torch.from_numpy(np.asarray(noise, dtype=np.float32))
    return weights


def _losses(model: nn.Module, inputs: Inputs, labels: IntArray) -> FloatArray:
    """Cross-entropy of each record, float64 ``[n]``."""
    logits = predict(model, inputs).astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        losses: FloatArray = -log_softmax(logits, axis=1)[np.arange(len(labels)), labels]
    return losses
