"""Candidates by code flips: the deployed codes with one of them moved to the next level."""

from __future__ import annotations

import copy
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.compression._variant import parse_quantizer
from harness.compression.candidates._codes import SIDES, Codes, codes_of
from harness.compression.candidates._gradients import gradients
from harness.compression.grids import FORMS as GRIDS
from harness.errors import ConfigError
from harness.training import Inputs
from harness.types import FloatArray, IntArray

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["can_flip", "flips"]


@dataclass(frozen=True, order=True)
class _Flip:
    """One code moved: ranked by its signal to noise, then by its place, so that ties are broken the same way."""

    ratio: float
    tensor: str
    place: int
    value: float


def can_flip(quantizer: str, runtime: str) -> bool:
    """Whether a quantizer's levels are known: a grid's are, some number formats' are, floats have none."""
    wanted = parse_quantizer(quantizer)
    return wanted.family == "grid" or (runtime, wanted.numerics) in SIDES


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
    """Weights of the quantized model with one code moved to a neighbouring level, the most undecided codes first.

    Every single flip is screened on the training records by the signal to noise of the loss it changes,
    ``|g d + H d^2 / 2| / (|d| sqrt(F))``: d is the step, g the mean gradient at the quantized model, F the variance of
    the gradient (diagonal Fisher information), which also stands for the curvature H. The smallest are the rivals that
    another sample would most easily have preferred.

    For a grid the weights are those of the grid. For a number format they are the float weights with one of them put
    on its new level: quantizing them at export gives the deployed codes but for that one. Static activation scales are
    calibrated again, as they would be for any other weights.

    Args:
        model: the trained original; unchanged.
        quantizer: a grid, ``int8``, ``int8-dynamic`` or ``int4``.
        inputs: the training records, ``[n, ...]``, at least 16.
        labels: int64 ``[n]``.
        runtime: whose number format it is, ``litert`` or ``executorch``.
        sample_shape: shape of one record.
        count: candidates to make.
        seed: of the batches that the gradients are estimated from.

    Yields:
        A state dict of the folded architecture a candidate.

    Raises:
        ConfigError: the quantizer has no neighbouring levels, or the model has fewer codes to move.
        InputError: there are too few records.
    """
    import torch

    from harness.compression._fuse import fuse

    wanted = parse_quantizer(quantizer)
    if not can_flip(quantizer, runtime):
        formats = (numerics for place, numerics in SIDES if place == runtime)
        raise ConfigError(
            f"{quantizer!r} has no codes on {runtime} that could be moved to a neighbour",
            hint=f"one of: {', '.join((*formats, *GRIDS))}",
        )
    folded, _ = fuse(model, sample_shape=sample_shape)
    codes = codes_of(folded, wanted, runtime=runtime)
    quantized = copy.deepcopy(folded)
    for name, weight in quantized.named_parameters():
        if name in codes:
            weight.data.copy_(torch.from_numpy(codes[name].values.astype(np.float32)))
    found = gradients(quantized, inputs, labels, seed=seed)
    best = heapq.nsmallest(
        count,
        (
            flip
            for name, mine in codes.items()
            for flip in _screened(name, mine, found.mean[name].numpy(), found.variance[name].numpy(), count=count)
        ),
    )
    if len(best) < count:
        raise ConfigError(
            f"flips: {quantizer!r} has {len(best)} codes to move, {count} are asked for", hint="lower mis.candidates"
        )
    base = (quantized if wanted.family == "grid" else folded).state_dict()
    for flip in best:
        weights = {name: value.detach().clone() for name, value in base.items()}
        weights[flip.tensor].reshape(-1)[flip.place] = flip.value
        yield weights


def _screened(name: str, codes: Codes, mean: FloatArray, variance: FloatArray, *, count: int) -> Iterator[_Flip]:
    """The flips of one tensor with the least signal to noise, at most ``count`` in each direction."""
    for moved in codes.neighbours():
        step = moved - codes.values
        # A step of nothing is no flip, and a weight that no record's loss depends on says nothing about any record.
        open_ = np.isfinite(step) & (step != 0) & (variance > 0)
        step, spread = np.where(open_, step, 1.0), np.sqrt(np.where(open_, variance, 1.0))
        ratio = np.where(open_, np.abs(mean + 0.5 * variance * step) / spread, np.inf).reshape(-1)
        for place in np.argsort(ratio, kind="stable")[:count]:
            if ratio[place] < np.inf:
                yield _Flip(float(ratio[place]), name, int(place), float(moved.reshape(-1)[place]))
