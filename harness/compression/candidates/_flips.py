"""Candidates by code flips: the deployed codes, with one of them moved to a neighbouring level."""

from __future__ import annotations

import copy
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.compression import grids
from harness.compression._variant import parse_quantizer
from harness.compression.candidates._codes import SIDES, Codes, codes_of
from harness.compression.candidates._gradients import gradients
from harness.errors import ConfigError
from harness.training import Inputs
from harness.types import FloatArray, IntArray

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["can_flip", "flips"]


@dataclass(frozen=True, order=True)
class _Flip:
    """One code moved: ordered by its signal to noise, then by its position, so that the order is reproducible."""

    ratio: float
    tensor: str
    position: int
    value: float


def can_flip(quantizer: str, runtime: str) -> bool:
    """Whether a quantizer's levels are known: those of grids and some number formats are; floats have none."""
    parsed = parse_quantizer(quantizer)
    return parsed.family == "grid" or (runtime, parsed.numerics) in SIDES


def flips(
    model: nn.Module,
    quantizer: str,
    inputs: Inputs,
    labels: IntArray,
    *,
    runtime: str,
    sample_shape: tuple[int, ...],
    count: int,
    seed: int,
) -> Iterator[dict[str, Tensor]]:
    """Weights of the quantized model with one code moved to a neighbouring level, the least certain codes first.

    Every single flip is screened on the training records by the signal to noise of the loss it changes,
    ``|g d + H d^2 / 2| / (|d| sqrt(F))``: d is the step, g the mean gradient at the quantized model, F the variance of
    the gradient (diagonal Fisher information), which also stands for the curvature H. The smallest are the rivals that
    training on another sample would most likely prefer.

    For a grid the weights are those of the grid. For a number format they are the float weights with one of them set
    to its new level: quantizing them at export gives the deployed codes except for that one. Static activation scales
    are calibrated again, as they would be for any other weights.

    Args:
        model: the trained original; unchanged.
        quantizer: a grid, ``int8``, ``int8-dynamic`` or ``int4``.
        inputs: the training records, ``[n, ...]``, at least 16.
        labels: int64 ``[n]``.
        runtime: the runtime of the number format, ``litert`` or ``executorch``.
        sample_shape: shape of one record.
        count: candidates to make.
        seed: of the batches that the gradients are estimated from.

    Yields:
        One state dict of the folded architecture per candidate.

    Raises:
        ConfigError: the quantizer has no neighbouring levels, or the model has fewer codes to move.
        InputError: there are too few records.
    """
    import torch

    from harness.compression._fuse import fuse

    parsed = parse_quantizer(quantizer)
    if not can_flip(quantizer, runtime):
        formats = (numerics for known, numerics in SIDES if known == runtime)
        raise ConfigError(
            f"{quantizer!r} has no codes on {runtime} that could be moved to a neighbour",
            hint=f"one of: {', '.join((*formats, *grids.FORMS))}",
        )
    folded, _ = fuse(model, sample_shape=sample_shape)
    codes = codes_of(folded, parsed, runtime=runtime)
    quantized = copy.deepcopy(folded)
    for name, weight in quantized.named_parameters():
        if name in codes:
            weight.data.copy_(torch.from_numpy(codes[name].values.astype(np.float32)))
    moments = gradients(quantized, inputs, labels, seed=seed)
    best = heapq.nsmallest(
        count,
        (
            flip
            for name, tensor in codes.items()
            for flip in _screened(name, tensor, moments.mean[name].numpy(), moments.variance[name].numpy(), count=count)
        ),
    )
    if len(best) < count:
        raise ConfigError(
            f"flips: {quantizer!r} has {len(best)} codes to move, {count} are needed", hint="lower mis.candidates"
        )
    base = (quantized if parsed.family == "grid" else folded).state_dict()
    for flip in best:
        weights = {name: value.detach().clone() for name, value in base.items()}
        weights[flip.tensor].reshape(-1)[flip.position] = flip.value
        yield weights


def _screened(name: str, codes: Codes, mean: FloatArray, variance: FloatArray, *, count: int) -> Iterator[_Flip]:
    """The flips of one tensor with the least signal to noise, at most ``count`` in each direction."""
    for neighbour in codes.neighbours():
        step = neighbour - codes.values
        # A step of zero is no flip, and a weight that no record's loss depends on leaks nothing.
        eligible = np.isfinite(step) & (step != 0) & (variance > 0)
        step, spread = np.where(eligible, step, 1.0), np.sqrt(np.where(eligible, variance, 1.0))
        ratio = np.where(eligible, np.abs(mean + 0.5 * variance * step) / spread, np.inf).reshape(-1)
        for position in np.argsort(ratio, kind="stable")[:count]:
            if ratio[position] < np.inf:
                yield _Flip(float(ratio[position]), name, int(position), float(neighbour.reshape(-1)[position]))
