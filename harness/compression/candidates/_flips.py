"""Candidates by code flips: the deployed codes, with one or several of them moved to a neighbouring level."""

from __future__ import annotations

import copy
import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.compression import grids
from harness.compression._variant import parse_quantizer
from harness.compression.candidates._codes import SIDES, Codes, codes_of
from harness.compression.candidates._gradients import Gradients, gradients
from harness.compression.candidates._nearby_codes import QuadraticLoss, near_ties
from harness.compression.candidates._record_gradients import block_moments
from harness.errors import ConfigError
from harness.training import Inputs
from harness.types import FloatArray, IntArray

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["can_flip", "flips"]

# Codes that may move: those whose single flip is the least certain, over all layers.
BLOCK = 256
# Codes that may move at once. The quadratic loss holds near the deployed codes only.
MAX_MOVED = 4
# Index of the deployed level among those that a code may take: the one below, its own, the one above.
OWN = 1


@dataclass(frozen=True, order=True)
class _Place:
    """One code: ordered by the least signal to noise of its flips, then by where it is, so that ties have an order."""

    ratio: float
    tensor: str
    position: int


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
    """Weights of the quantized model with one or several codes moved to a neighbouring level, the nearest rivals first.

    Every single flip is screened on the training records by the signal to noise of the loss it changes,
    ``|g d + H d^2 / 2| / (|d| sqrt(F))``: d is the step, g the mean gradient at the quantized model, F the variance of
    the gradient (diagonal Fisher information), which also stands for the curvature H. The 256 weights of the least
    certain flips may move, at most four at once. Between them the curvature and the covariance of the records'
    gradients are taken whole (see :func:`block_moments`), and :func:`near_ties` finds the codes whose loss is nearest
    to that of the deployed ones. Single flips come first where the records cannot tell them from a tie; on correlated
    features, where they can, flips that compensate each other are nearer.

    For a grid the weights are those of the grid. For a number format they are the float weights with some of them set
    to their new levels: quantizing them at export gives the deployed codes except for those. Static activation scales
    are calibrated again, as they would be for any other weights.

    Args:
        model: the trained original; unchanged.
        quantizer: a grid, or a number format whose levels are known: see :func:`can_flip`.
        inputs: the training records, ``[n, ...]``, at least 16.
        labels: int64 ``[n]``.
        runtime: the runtime of the number format, ``litert`` or ``executorch``.
        sample_shape: shape of one record.
        count: candidates to make.
        seed: of the batches and the labels that gradients are estimated from.

    Yields:
        One state dict of the folded architecture per candidate.

    Raises:
        ConfigError: the quantizer has no neighbouring levels, or fewer other codes are near the deployed ones.
        InputError: there are too few records.
    """
    import torch

    from harness.compression._fuse import fuse

    parsed = parse_quantizer(quantizer)
    if not can_flip(quantizer, runtime):
        formats = (numerics for known, numerics in SIDES if known == runtime)
        raise ConfigError(
            f"{quantizer!r} has no codes on {runtime} that could be moved to a neighbour",
            hint=f"one of: {', '.join((*formats, *grids.FORMS))}; or another mis.generator, such as bootstrap-last",
        )
    folded, _ = fuse(model, sample_shape=sample_shape)
    codes = codes_of(folded, parsed, runtime=runtime)
    quantized = copy.deepcopy(folded)
    for name, weight in quantized.named_parameters():
        if name in codes:
            weight.data.copy_(torch.from_numpy(codes[name].values.astype(np.float32)))
    block = _block(quantized, codes, inputs, labels, seed=seed)
    rivals = [] if block is None else block.rivals(count)
    if block is None or len(rivals) < count:
        raise ConfigError(
            f"flips: {quantizer!r} has {len(rivals)} other codes near the deployed ones, {count} are needed",
            hint="lower mis.candidates",
        )
    base = (quantized if parsed.family == "grid" else folded).state_dict()
    for rival in rivals:
        weights = {name: value.detach().clone() for name, value in base.items()}
        for name, positions, values in block.moved(rival):
            weights[name].reshape(-1)[torch.from_numpy(positions)] = torch.from_numpy(values.astype(np.float32))
        yield weights


@dataclass(frozen=True, eq=False)
class _Block:
    """The codes that may move.

    Args:
        places: name of the tensor -> ascending positions in it; M in all.
        levels: the level below, the own and the one above, NaN where there is none, ``[M, 3]``.
        loss: the quadratic loss around the deployed codes.
        records: size of the training set.
    """

    places: Mapping[str, IntArray]
    levels: FloatArray
    loss: QuadraticLoss
    records: int

    def rivals(self, count: int) -> list[IntArray]:
        """The nearest codes but the deployed, at most ``count``: indices of levels, ``[M]``."""
        deployed = np.full(len(self.levels), OWN)
        found = near_ties(self.loss, self.levels, deployed, count=count + 1, n=self.records, max_moved=MAX_MOVED)
        return list(found.codes[1:])

    def moved(self, code: IntArray) -> Iterator[tuple[str, IntArray, FloatArray]]:
        """Of every tensor: its name, the positions that differ from the deployed ones, and their new values."""
        begin = 0
        for name, positions in self.places.items():
            mine = slice(begin, begin := begin + len(positions))
            differs = np.flatnonzero(code[mine] != OWN)
            yield name, positions[differs], self.levels[mine][differs, code[mine][differs]]


def _block(
    quantized: nn.Module, codes: Mapping[str, Codes], inputs: Inputs, labels: IntArray, *, seed: int
) -> _Block | None:
    """The codes whose single flip is the least certain, over all layers; None where none can move."""
    moments = gradients(quantized, inputs, labels, seed=seed)
    screened = heapq.nsmallest(BLOCK, (place for name in codes for place in _screened(name, codes[name], moments)))
    if not screened:
        return None
    places = {
        name: np.array(sorted(place.position for place in screened if place.tensor == name), dtype=np.int64)
        for name in sorted({place.tensor for place in screened})
    }
    covariance, curvature = block_moments(quantized, places, inputs, labels, seed=seed)
    gradient = np.concatenate([moments.mean[name].numpy().reshape(-1)[at] for name, at in places.items()])
    levels = np.concatenate([_levels(codes[name], at) for name, at in places.items()])
    loss = QuadraticLoss(gradient, curvature, covariance)
    return _Block(places, levels, loss, len(labels))


def _screened(name: str, codes: Codes, moments: Gradients) -> list[_Place]:
    """The codes of one tensor whose better flip has the least signal to noise, at most as many as may move."""
    mean, variance = moments.mean[name].numpy(), moments.variance[name].numpy()
    least = np.full(mean.shape, np.inf)
    for neighbour in codes.neighbours():
        step = neighbour - codes.values
        # A step of zero is no flip, and a weight that no record's loss depends on leaks nothing.
        eligible = np.isfinite(step) & (step != 0) & (variance > 0)
        step, spread = np.where(eligible, step, 1.0), np.sqrt(np.where(eligible, variance, 1.0))
        ratio = np.where(eligible, np.abs(mean + 0.5 * variance * step) / spread, np.inf)
        least = np.minimum(least, ratio)
    flat = least.reshape(-1)
    chosen = np.argsort(flat, kind="stable")[:BLOCK]
    return [_Place(float(flat[at]), name, int(at)) for at in chosen if flat[at] < np.inf]


def _levels(codes: Codes, at: IntArray) -> FloatArray:
    """The levels that some codes may take, see :class:`_Block`."""
    below, above = codes.neighbours()
    return np.stack([values.reshape(-1)[at] for values in (below, codes.values, above)], axis=1)
