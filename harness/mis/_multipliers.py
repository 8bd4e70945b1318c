"""What other records would have shown: means of losses drawn anew, the same draws for all quantizers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.mis._units import Units
from harness.types import FloatArray

__all__ = ["DATA_SETS", "Redrawn", "redrawn"]

# Data sets drawn: enough for a 2.5% tail of an interval, which rests on ten of them.
DATA_SETS = 400
# Multipliers in memory at once.
CHUNK = 1 << 21


@dataclass(frozen=True, eq=False)
class Redrawn:
    """The errors that the means of one quantizer's losses would have on other records.

    Args:
        errors: of the mean of every candidate's loss, ``[data sets, K]``.
        stretch: by how much the spread of the closest rival's difference would be seen too small, ``[data sets]``: what
            is seen in standard deviations is this many times as large.
    """

    errors: FloatArray
    stretch: FloatArray


def redrawn(matrix: FloatArray, closest: FloatArray, *, units: Units, seed: int) -> Redrawn:
    """Draw the errors by Gaussian multipliers: one for every unit of records, and the same for every quantizer.

    A record that is hard for one quantizer is mostly hard for another, so their errors must be drawn together. The
    multipliers depend on the seed and the units alone. To first order in the spread, errors are studentised: where
    losses are skewed, a mean that is seen too large comes with a spread that is seen too large.

    Args:
        matrix: losses ``[K, N]`` less those of the best candidate.
        closest: centred differences of the closest rival, ``[N]``.
        units: of the records; records of one unit share a multiplier, means of strata are known.
        seed: of the multipliers.
    """
    variance = float(closest @ closest) / len(closest)
    # Half the relative change of the variance is that of the standard deviation.
    spread = 0.5 * (closest * closest / variance - 1.0) if variance > 0.0 else np.zeros_like(closest)
    step = max(1, CHUNK // DATA_SETS)
    rows = np.vstack([matrix, spread[None]])
    if not units.single:
        # Of centred losses, because a mean over clusters of several sizes is a ratio of two sums.
        rows = np.stack([units.sums(row) for row in rows - rows.mean(axis=1)[:, None]])
    for members in units.strata:
        rows[:, members] -= rows[:, members].mean(axis=1)[:, None]
    errors = np.zeros((DATA_SETS, len(rows)))
    for number, begin in enumerate(range(0, units.count, step)):
        block = rows[:, begin : begin + step]
        rng = np.random.default_rng([seed, number])
        errors += rng.standard_normal((DATA_SETS, block.shape[1]), dtype=np.float32) @ block.T
    errors /= matrix.shape[1]
    return Redrawn(errors[:, :-1], np.exp(-np.clip(errors[:, -1], -math.log(4.0), math.log(4.0))))
