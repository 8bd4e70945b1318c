"""Units of splits and resamples: single records, or whole clusters of them, within strata."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.mis._matrix import MIN_POINTS
from harness.types import Array, FloatArray, IntArray

__all__ = ["Units", "resamples", "split_masks", "units_of"]

# Indices drawn at a time.
CHUNK = 1 << 21


@dataclass(frozen=True, eq=False)
class Units:
    """The units of N records.

    Args:
        of_record: unit of each record, ``[N]``.
        strata: the units of each stratum.
        count: number of units G.
        single: whether every record is its own unit, in order.
    """

    of_record: IntArray
    strata: tuple[IntArray, ...]
    count: int
    single: bool

    def sums(self, values: FloatArray) -> FloatArray:
        """Sums of ``values [N]`` over each unit's records, ``[count]``."""
        if self.single:
            return values
        return np.asarray(np.bincount(self.of_record, weights=values, minlength=self.count), dtype=np.float64)


def units_of(n: int, *, strata: Array | None = None, clusters: Array | None = None) -> Units:
    """The units of n records.

    Args:
        n: number of records.
        strata: e.g. the class of each record ``[n]``; every resample keeps the strata's sizes.
        clusters: e.g. the source item of each record ``[n]``; records of one item are resampled and split together.

    Raises:
        InputError: an array of another length, a cluster in two strata, or too few units for a split.
    """
    for name, values in (("strata", strata), ("clusters", clusters)):
        if values is not None and np.shape(values) != (n,):
            raise InputError(f"{name}: shape {np.shape(values)}, expected one entry for each of {n} evaluation records")
    of_record = np.arange(n) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    count = int(of_record.max()) + 1
    if count < MIN_POINTS:
        raise InputError(f"clusters: {count} distinct; an interval needs at least {MIN_POINTS}")
    if strata is None:
        groups: tuple[IntArray, ...] = (np.arange(count),)
    else:
        stratum = np.unique(np.asarray(strata), return_inverse=True)[1]
        of_unit = np.full(count, -1)
        of_unit[of_record] = stratum
        if not np.array_equal(of_unit[of_record], stratum):
            bad = int(np.argmax(of_unit[of_record] != stratum))
            raise InputError(
                f"clusters: the cluster of record {bad} lies in two strata", hint="put each cluster into one stratum"
            )
        groups = tuple(np.flatnonzero(of_unit == s) for s in range(int(stratum.max()) + 1))
    return Units(of_record=of_record, strata=groups, count=count, single=clusters is None)


def split_masks(units: Units, splits: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Random halves: ``[splits, N]``, True for the records of the first half; units stay whole, strata balanced."""
    masks = np.zeros((splits, units.count), dtype=np.bool_)
    for mask in masks:
        odd = False
        for members in units.strata:
            # Odd strata give their middle unit to either half in turn, so that the halves stay equal in total.
            take = (len(members) + odd) // 2
            odd ^= bool(len(members) % 2)
            mask[rng.permutation(members)[:take]] = True
    return masks if units.single else masks[:, units.of_record]


def resamples(units: Units, draws: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """How often each unit occurs in each bootstrap resample, ``[draws, units]``.

    Drawn once and shared by all quantizers, which is what makes their differences paired.
    """
    counts = np.zeros((draws, units.count), dtype=np.uint8)
    for members in units.strata:
        size = len(members)
        step = max(1, CHUNK // size)
        for begin in range(0, draws, step):
            rows = min(step, draws - begin)
            indices = rng.integers(size, size=(rows, size)) + size * np.arange(rows)[:, None]
            block = np.bincount(indices.ravel(), minlength=rows * size).reshape(rows, size)
            # uint8 is enough: a count above 255 (Poisson of mean 1) has a probability below 1e-500.
            counts[begin : begin + rows, members] = block
    return counts
