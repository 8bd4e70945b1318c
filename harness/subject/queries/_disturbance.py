"""How a record is disturbed: noise, flipped bits, replaced tokens, and for images also a mirror image and shifts.

What an input is, is decided from its values in records that are audited nowhere, or in the audited ones where there are
none: features of two values, numbers, token ids, or masks, which are left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.types import Array, Records

__all__ = ["MOVES", "disturbances", "is_small", "moved", "spatial_axes"]

# Share of two-valued features that change, and of tokens that are replaced, where noise has one standard deviation.
# Both grow with the square of the size, as the squared length of noise does.
REPLACED = 0.1
# Channels of an image.
CHANNELS = (1, 3, 4)
# A shift by one pixel moves a smaller image so far that its class changes as often for members as for others.
SMALL_SIDE = 16
# Name of a move -> rows and columns that an image is shifted by; the mirror image is shifted by none.
MOVES: Mapping[str, tuple[int, int]] = {
    "mirror": (0, 0),
    "left": (0, -1),
    "right": (0, 1),
    "up": (-1, 0),
    "down": (1, 0),
}
PADDING = 0


class Disturbance(Protocol):
    """What is done to one input of a model."""

    def __call__(self, values: Array, size: float, rng: np.random.Generator) -> Array:
        """A disturbed copy, of the same shape and type; ``size`` is in standard deviations."""


@dataclass(frozen=True, eq=False)
class _Untouched:
    """A mask, or the number of a text's segment."""

    def __call__(self, values: Array, size: float, rng: np.random.Generator) -> Array:  # noqa: ARG002
        return values


@dataclass(frozen=True, eq=False)
class _Numbers:
    """Gaussian noise, in each feature's own standard deviation; features of two values change over instead.

    Args:
        deviation: of each feature, ``[...]``.
        two_valued: whether a feature has two values, ``[...]``.
        low, high: of each feature of two values, ``[...]``.
        limits: what numbers are kept within; None leaves them free.
    """

    deviation: NDArray[np.float32]
    two_valued: NDArray[np.bool_]
    low: Array
    high: Array
    limits: tuple[float, float] | None

    def __call__(self, values: Array, size: float, rng: np.random.Generator) -> Array:
        noise = rng.standard_normal(values.shape, dtype=np.float32) * self.deviation * np.float32(size)
        noisy = values.astype(np.float32) + np.where(self.two_valued, np.float32(0), noise)
        if self.limits is not None:
            noisy = noisy.clip(*self.limits)
        if values.dtype.kind != "f":
            noisy = np.rint(noisy)
        changed = self.two_valued & (rng.random(values.shape, dtype=np.float32) < _share(size))
        other = np.where(values == self.low, self.high, self.low)
        return np.where(changed, other, np.where(self.two_valued, values, noisy)).astype(values.dtype)


@dataclass(frozen=True, eq=False)
class _Tokens:
    """Tokens replaced by others at random; padding, and tokens that every text has, are left alone.

    Args:
        vocabulary: the ids that occur as words, ascending.
    """

    vocabulary: Array

    def __call__(self, values: Array, size: float, rng: np.random.Generator) -> Array:
        words = np.isin(values, self.vocabulary) & ~_padding(values)
        replaced = words & (rng.random(values.shape, dtype=np.float32) < _share(size))
        return np.where(replaced, rng.choice(self.vocabulary, values.shape), values).astype(values.dtype)


def disturbances(records: Records) -> dict[str, Disturbance]:
    """What is done to each input, as its values in these records decide."""
    tokens = [name for name, values in records.inputs.items() if _holds_ids(values)]
    return {name: _disturbance(values, beside_tokens=bool(tokens)) for name, values in records.inputs.items()}


def _disturbance(values: Array, *, beside_tokens: bool) -> Disturbance:
    if _holds_ids(values):
        words = np.unique(values[~_padding(values)])
        everywhere = [token for token in words if (values == token).any(axis=1).all()]
        ordinary = np.setdiff1d(words, everywhere)
        return _Tokens(ordinary if len(ordinary) else words)
    if beside_tokens and values.dtype.kind in "iub":
        return _Untouched()
    low, high = values.min(axis=0), values.max(axis=0)
    ends = values.min(), values.max()
    if ((values == ends[0]) | (values == ends[1])).all():  # of a rare feature these records may have one value only
        low, high = np.full_like(low, ends[0]), np.full_like(high, ends[1])
    image = spatial_axes(values) is not None
    two_valued = ((values == low) | (values == high)).all(axis=0) & (low != high)
    return _Numbers(
        deviation=values.std(axis=0, dtype=np.float64).astype(np.float32),
        two_valued=np.zeros_like(two_valued) if image else two_valued,
        low=low,
        high=high,
        limits=(float(ends[0]), float(ends[1])) if image or values.dtype.kind != "f" else None,
    )


def _holds_ids(values: Array) -> bool:
    """Whether an input holds token ids: whole numbers in rows, of more than two values; 8 bits hold pixels."""
    return values.dtype.kind in "iu" and values.dtype.itemsize > 1 and values.ndim == 2 and len(np.unique(values)) > 2


def _padding(ids: Array) -> NDArray[np.bool_]:
    """Where a text is padded: id 0, or a run of one id at an end of the row."""
    padding = np.asarray(ids == PADDING)
    for rows, mask in ((ids, padding), (ids[:, ::-1], padding[:, ::-1])):
        run = np.logical_and.accumulate(rows == rows[:, :1], axis=1)
        mask |= run & (run.sum(axis=1, keepdims=True) > 1)
    return padding


def _share(size: float) -> float:
    """Share of features or tokens that change; at most a half, where nothing of the record is left."""
    return min(REPLACED * size**2, 0.5)


def spatial_axes(values: Array) -> tuple[int, int] | None:
    """The axes of height and width of images ``[n, C, H, W]`` or ``[n, H, W, C]``; None where records are no images."""
    if values.ndim != 4:
        return None
    if values.shape[1] in CHANNELS:
        return 2, 3
    return (1, 2) if values.shape[3] in CHANNELS else None


def is_small(values: Array) -> bool:
    """Whether images are too small to be shifted."""
    axes = spatial_axes(values)
    return axes is None or min(values.shape[axis] for axis in axes) < SMALL_SIDE


def moved(values: Array, move: str) -> Array:
    """Mirrored or shifted images; the border is repeated. What is no image is left alone."""
    axes = spatial_axes(values)
    if axes is None:
        return values
    if move == "mirror":
        return np.flip(values, axes[1])
    for axis, by in zip(axes, MOVES[move], strict=True):
        side = values.shape[axis]
        values = np.take(values, (np.arange(side) - by).clip(0, side - 1), axis=axis)
    return values
