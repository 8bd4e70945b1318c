"""Tests of gaps inverted: under which of them what was seen is no surprise, and how much they leak."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.mis._gaps import Path, separation
from harness.mis._joint import JointLaw
from harness.mis._multipliers import Redrawn
from harness.types import FloatArray

__all__ = ["Tested", "tested"]

# Separations that agree to this are one: ties of equal losses, summed in another order.
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Tested:
    """What would be seen if the gaps along a path were true.

    Args:
        path: the gaps.
        seen: the separation that was seen.
        drawn: separations under every gaps, ``[P, data sets]``.
        at_most: share of the data sets that show no more leakage than was seen, ``[P]``: small where there is more.
        at_least: share that show no less, ``[P]``.
    """

    path: Path
    seen: float
    drawn: FloatArray
    at_most: FloatArray
    at_least: FloatArray

    def most(self, chance: float) -> float:
        """The place with the largest leakage at which so little is seen with this chance."""
        return _crossing(self.path.places, self.at_most, chance)

    def least(self, chance: float) -> float:
        """The place with the smallest leakage at which so much is seen with this chance."""
        return -_crossing(-self.path.places[::-1], self.at_least[::-1], chance)

    def ends(self, level: float, log_delta: Callable[[FloatArray], float]) -> tuple[float, float, float]:
        """Median-unbiased value, lower and upper end of ``log Delta_n``."""
        tail = 0.5 * (1.0 - level)
        value, low, high = (
            log_delta(self.path.at(place)) for place in (self.most(0.5), self.least(tail), self.most(tail))
        )
        return value, min(low, high), max(low, high)


def tested(law: JointLaw, path: Path, redrawn: Redrawn, n: int) -> Tested:
    """Data sets under all gaps of a path; the errors are the same for each."""
    seen = float(separation(law, law.means[None], n)[0])
    drawn = np.stack([separation(law, gaps + redrawn.errors, n, redrawn.stretch) for gaps in path.gaps])
    slack = ROUNDING * max(1.0, abs(seen))
    return Tested(path, seen, drawn, (drawn <= seen + slack).mean(axis=1), (drawn >= seen - slack).mean(axis=1))


def _crossing(places: FloatArray, shares: FloatArray, chance: float) -> float:
    """The first place, between two if need be, where the share reaches the chance; the last if it never does."""
    reached: NDArray[np.bool_] = shares >= chance
    if not reached.any():
        return float(places[-1])
    first = int(np.argmax(reached))
    if first == 0:
        return float(places[0])
    below, above = float(shares[first - 1]), float(shares[first])
    share = (chance - below) / (above - below) if math.isfinite(below) and above > below else 1.0
    return float(places[first - 1] + share * (places[first] - places[first - 1]))
