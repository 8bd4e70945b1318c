"""Units of splits and resamples: single records, or whole clusters of them, within strata."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.mis._matrix import MIN_POINTS
from harness.types import Array, FloatArray, IntArray

__all__ = ["Resamples", "Units", "resamples", "split_masks", "units_of"]

# Indices drawn at a time.
CHUNK = 1 << 21
# Units that are drawn one by one: a spread from so many sums is known to within one or two per cent.
MAX_BATCHES = 8192
# A stratum that would have fewer batches is drawn unit by unit all the same.
FEW_BATCHES = 32


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

    def centred(self, sums: FloatArray) -> FloatArray:
        """Minus the mean of the unit's stratum, ``[count]``: resamples keep the strata's sizes."""
        if len(self.strata) == 1:
            return np.asarray(sums - sums.mean())
        out = np.array(sums)
        for members in self.strata:
            out[members] -= out[members].mean()
        return out


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


@dataclass(frozen=True, eq=False)
class Resamples:
    """Bootstrap resamples of the records, the same for all quantizers, which is what makes their differences paired.

    Args:
        of_unit: batch of each unit, ``[count]``; where there are few units every batch is one.
        counts: how often each batch occurs in each resample, ``[batches, draws]``.
    """

    of_unit: IntArray
    counts: NDArray[np.uint8]

    @property
    def inflation(self) -> float:
        """What a resample's variance falls short of the true one by."""
        return len(self.counts) / (len(self.counts) - 1.0)

    def sums(self, values: FloatArray) -> FloatArray:
        """Sums of ``values [count]`` over each batch, ``[batches]``."""
        sums = np.bincount(self.of_unit, weights=values, minlength=len(self.counts))
        return np.asarray(sums, dtype=np.float64)


def resamples(units: Units, draws: int, rng: np.random.Generator) -> Resamples:
    """Draw units with replacement within their strata; beyond 8,192 units, random batches of them instead.

    A batch's sum varies as its units do together, so batches tell the same spread from fewer numbers.
    """
    size = -(-units.count // MAX_BATCHES)
    of_unit, strata, begin = np.zeros(units.count, dtype=np.intp), [], 0
    for members in units.strata:
        batches = len(members) // size if len(members) >= FEW_BATCHES * size else len(members)
        of_unit[rng.permutation(members) if size > 1 else members] = begin + np.arange(len(members)) % batches
        strata.append(np.arange(begin, begin + batches))
        begin += batches
    counts = np.zeros((begin, draws), dtype=np.uint8)
    for members in strata:
        count = len(members)
        step = max(1, CHUNK // count)
        for first in range(0, draws, step):
            columns = min(step, draws - first)
            indices = rng.integers(count, size=(columns, count)) + count * np.arange(columns)[:, None]
            block = np.bincount(indices.ravel(), minlength=columns * count).reshape(columns, count)
            # uint8 is enough: a count above 255 (Poisson of mean 1) has a probability below 1e-500.
            counts[members, first : first + columns] = block.T
    return Resamples(of_unit, counts)
