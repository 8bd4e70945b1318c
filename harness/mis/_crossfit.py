"""The minimum over rivals, cross-fitted: chosen on one half of the records, measured on the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.mis._chernoff import chernoff
from harness.mis._pairs import SNR_LIMIT, PairStats, signal_to_noise
from harness.mis._statistic import fold_value
from harness.mis._units import Units
from harness.types import FloatArray, IntArray

__all__ = ["CrossFit", "contenders", "cross_fit", "measured"]

# A rival this many standard errors behind the closest one on all records is not selected on a half of them: on a half
# the distance is 8/sqrt(2) of a difference whose own deviation is about 1.
SCREEN_T = 8.0
# Rivals that stay at any distance: where the exponent is not Gaussian, its order may differ from that of t.
SCREEN_MIN = 16
# Records a block in the sums over all rivals, so that a block of 256 rows stays in the cache.
BLOCK = 2048
# A variance below this share of the terms whose difference it is has lost its digits and is computed again.
LOST_DIGITS = 1e-10


@dataclass(frozen=True, eq=False)
class CrossFit:
    """Selections and held-out exponents of every split, ``[splits, 2]``; fold 0 is measured on the second half.

    Args:
        ref: row that had the smallest mean loss on the selecting half.
        rival: row that had the smallest exponent there.
        root: signed root of the exponent on the measuring half, see ``FoldValue``.
        exponent: debiased exponent on the measuring half.
    """

    ref: IntArray
    rival: IntArray
    root: FloatArray
    exponent: FloatArray

    @property
    def r(self) -> float:
        """Median over splits of the mean of the two halves; may be a little below zero at a tie."""
        return float(np.median(self.exponent.mean(axis=1)))

    @property
    def signed_root(self) -> float:
        """Median over splits of the mean signed root."""
        return float(np.median(self.root.mean(axis=1)))


def contenders(stats: PairStats) -> IntArray:
    """Rows that can be the reference or the closest rival on a half of the records, the reference first."""
    if len(stats.idx) == 0:
        return np.array([stats.ref])
    order = np.argsort(stats.t, kind="stable")
    near = int(np.searchsorted(stats.t[order], stats.t[order[0]] + SCREEN_T, side="right"))
    nearest = stats.idx[order[: max(near, SCREEN_MIN)]]
    return np.concatenate([[stats.ref], np.sort(nearest)])


def cross_fit(rows: FloatArray, masks: NDArray[np.bool_], *, method: str, units: Units) -> CrossFit:
    """Select and measure on every split.

    Args:
        rows: losses of the contenders minus those of the best one, which is row 0: ``[K >= 2, N]``, no duplicates.
        masks: ``[splits, N]``, True for the first half.
        method: ``gauss`` or ``chernoff``.
        units: what counts as one independent record.
    """
    splits = len(masks)
    ref, order = _closest(rows, masks)  # column f*splits + j is what fold f of split j selects
    rival = order[0]
    if method == "chernoff":
        rival = _closest_by_chernoff(rows, np.concatenate([masks, ~masks]), ref, order)
    shape = (2, splits)
    return measured(rows, masks, ref.reshape(shape).T, rival.reshape(shape).T, method=method, units=units)


def measured(
    rows: FloatArray, masks: NDArray[np.bool_], ref: IntArray, rival: IntArray, *, method: str, units: Units
) -> CrossFit:
    """The exponents of selected pairs ``[splits, 2]`` on the halves that did not select them."""
    root, exponent = np.zeros((2, *ref.shape))
    for j, mask in enumerate(masks):
        for fold, half in enumerate((~mask, mask)):
            x = rows[rival[j, fold], half] - rows[ref[j, fold], half]
            value = fold_value(x, method=method, units=_count(units, half))
            root[j, fold], exponent[j, fold] = value.root, value.exponent
    return CrossFit(ref=ref, rival=rival, root=root, exponent=exponent)


def _closest(rows: FloatArray, masks: NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    """On each half the best candidate ``[halves]``, and its rivals, nearest first ``[<= 16, halves]``."""
    sizes = np.concatenate([masks.sum(axis=1), (~masks).sum(axis=1)]).astype(np.float64)
    means, squares = (sums / sizes for sums in _half_sums(rows, masks))
    ref = np.argmin(means, axis=0)
    h = np.arange(len(ref))
    delta = means - means[ref, h]
    # E (X_k - X_ref)^2 from the moments of either: three matrix products are enough for all halves.
    spread = squares + squares[ref, h] - 2.0 * _half_products(rows, masks, ref) / sizes
    variance = spread - delta * delta
    cancelled = variance <= LOST_DIGITS * (squares + squares[ref, h])
    cancelled[ref, h] = False
    for k, column in zip(*np.nonzero(cancelled), strict=True):
        half = masks[column] if column < len(masks) else ~masks[column - len(masks)]
        variance[k, column] = np.var(rows[k, half] - rows[ref[column], half])
    sigma = np.sqrt(np.maximum(variance, 0.0) * sizes / (sizes - 1.0))
    snr = signal_to_noise(delta, sigma)
    snr[ref, h] = 2.0 * SNR_LIMIT  # so that it is never its own rival, even where all rivals are at the limit
    return ref, np.argsort(snr, axis=0, kind="stable")[: min(SCREEN_MIN, len(rows) - 1)]


def _half_sums(rows: FloatArray, masks: NDArray[np.bool_]) -> Iterator[FloatArray]:
    """Sums of ``rows``, then of their squares, over both halves of every split, ``[K, 2 * splits]``."""
    splits = len(masks)
    sums = np.zeros((2, len(rows), splits + 1))
    for cut in _blocks(rows.shape[1]):
        block = rows[:, cut]
        columns = np.ones((block.shape[1], splits + 1))  # the last column adds all records
        columns[:, :splits] = masks[:, cut].T
        sums[0] += block @ columns
        sums[1] += (block * block) @ columns
    for each in sums:
        first, total = each[:, :splits], each[:, splits:]
        yield np.concatenate([first, total - first], axis=1)


def _half_products(rows: FloatArray, masks: NDArray[np.bool_], ref: IntArray) -> FloatArray:
    """Sums of ``rows * rows[ref]`` over every half, ``[K, 2 * splits]``; ``ref`` differs from half to half."""
    out = np.zeros((len(rows), len(ref)))
    other = np.flatnonzero(ref != 0)  # row 0 is zero, and so are its products
    signs = np.concatenate([masks, ~masks])[other]
    if len(other):
        for cut in _blocks(rows.shape[1]):
            out[:, other] += rows[:, cut] @ (rows[ref[other], cut] * signs[:, cut]).T
    return out


def _closest_by_chernoff(rows: FloatArray, halves: NDArray[np.bool_], ref: IntArray, rivals: IntArray) -> IntArray:
    """Of the rivals closest by signal-to-noise ratio, the one of the smallest exponent on each selecting half."""
    starts: dict[tuple[int, int], float | None] = {}
    out = []
    for h, mask in enumerate(halves):
        base = rows[ref[h]]
        exponents = []
        for k in rivals[:, h]:
            key = (int(ref[h]), int(k))
            if key not in starts:
                starts[key] = _start(rows[k] - base)
            exponents.append(chernoff((rows[k] - base)[mask], start=starts[key]).exponent)
        out.append(rivals[int(np.argmin(exponents)), h])
    return np.array(out)


def _start(x: FloatArray) -> float | None:
    """The tilt on all records; from there the search on a half takes a step or two."""
    tau = chernoff(x).tau
    return tau if 0 < tau < np.inf else None


def _count(units: Units, half: NDArray[np.bool_]) -> int:
    return int(half.sum()) if units.single else len(np.unique(units.of_record[half]))


def _blocks(n: int) -> Iterator[slice]:
    for begin in range(0, n, BLOCK):
        yield slice(begin, min(begin + BLOCK, n))
