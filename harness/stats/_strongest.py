"""The strongest of several attacks against the strongest of others, with the choice repeated in the bootstrap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.stats._auc import no_difference_bound, pair_bound
from harness.stats._intervals import two_sided_z
from harness.stats._simultaneous import normal_draws
from harness.types import Estimate, FloatArray, IntArray

__all__ = ["StrongestDifference", "strongest_differences"]

# Draws of the bootstrap, and those of them that have to lie beyond a quantile for it to be read off them.
DRAWS = 8000
BEYOND = 40
# A spread of AUCs below this is rounding.
ROUNDING = 1e-10


@dataclass(frozen=True, eq=False)
class StrongestDifference:
    """The largest AUC of some attacks minus the largest of others, on the same records.

    Args:
        first: place of the strongest among the first attacks.
        second: place of the strongest among those that it is compared with.
        value: the difference.
        errors: of the difference in each draw of the bootstrap, the choice repeated, ascending ``[draws]``. Their mean
            is what choosing among attacks that may be equally strong adds.
        n: records.
        pairs: members or non-members, whichever are fewer.
    """

    first: int
    second: int
    value: float
    errors: FloatArray
    n: int
    pairs: int

    @property
    def bias(self) -> float:
        """What choosing among attacks that may be equally strong adds to the difference."""
        return float(self.errors.mean())

    @property
    def spread(self) -> float:
        """Standard deviation of the difference; 0 where the draws differ by rounding alone."""
        spread = float(self.errors.std(ddof=1))
        return spread if spread > ROUNDING else 0.0

    def estimate(self, level: float) -> Estimate:
        """The difference with an interval of this level.

        Nobody knows whether attacks that did about equally well are equally strong. If they are, the difference errs
        as in the bootstrap, lopsidedly where one side has more of them; if one of them is the strongest by itself, it
        errs to both sides alike. The interval holds what either would leave possible.
        """
        spread = self.spread
        if spread == 0.0:
            if abs(self.value) <= ROUNDING:
                half = no_difference_bound(self.pairs, level=level)
                return Estimate(self.value, -half, half, self.n, "no-pair-differs", level)
            low, high = pair_bound((self.value + 1.0) / 2.0, self.pairs, level=level)
            return Estimate(self.value, 2.0 * low - 1.0, 2.0 * high - 1.0, self.n, "disjoint-pairs", level)
        half = two_sided_z(level) * spread
        low = self.value - max(half, self._tail(level, upper=True))
        high = self.value + max(half, -self._tail(level, upper=False))
        return Estimate(self.value, max(-1.0, low), min(1.0, high), self.n, "bootstrap, choice repeated", level)

    def _tail(self, level: float, *, upper: bool) -> float:
        """The quantile of the errors that one end of an interval needs; a far one by the normal law's shape."""
        tail = (1.0 - level) / 2.0
        seen = max(tail, BEYOND / len(self.errors))
        rank = math.floor(seen * len(self.errors))
        quantile = float(self.errors[-1 - rank] if upper else self.errors[rank])
        stretch = two_sided_z(level) / two_sided_z(1.0 - 2.0 * seen)
        return self.bias + stretch * (quantile - self.bias)


def strongest_differences(
    aucs: FloatArray,
    covariance: FloatArray,
    groups: Sequence[tuple[Sequence[int], Sequence[int]]],
    *,
    n: int,
    pairs: int,
    seed: int = 0,
) -> list[StrongestDifference]:
    """Compare the strongest attack of each first group with the strongest of its second, records resampled.

    The bootstrap draws all AUCs together from their joint normal law (the multiplier bootstrap of placement values)
    and takes both maxima anew in every draw, so that the winner of the audited records is not given its luck. Around
    the observed values it would understate that luck, because these are spread by chance themselves; so attacks that
    the records do not separate from the strongest are drawn around one value, and the others are left out, as in
    generalised moment selection. An attack is separated where it falls behind by more than ``sqrt(log n)`` standard
    deviations of its difference from the strongest.

    Gine & Zinn, Bootstrapping general empirical measures, 1990 (multipliers); Andrews & Soares, Inference for
    parameters defined by moment inequalities using generalized moment selection, Econometrica 2010.

    Args:
        aucs: of all attacks, ``[K]``.
        covariance: of the AUCs, ``[K, K]``.
        groups: places of the first and of the second attacks; neither is empty.
        n: records.
        pairs: members or non-members, whichever are fewer.
        seed: of the draws.
    """
    noise = normal_draws(covariance, DRAWS, seed=seed)
    differences = []
    for first, second in groups:
        ours, theirs = np.asarray(first), np.asarray(second)
        one, other = int(ours[aucs[ours].argmax()]), int(theirs[aucs[theirs].argmax()])
        ours, theirs = (_rivals(places, aucs, covariance, n) for places in (ours, theirs))
        errors = np.sort(noise[:, ours].max(axis=1) - noise[:, theirs].max(axis=1))
        value = float(aucs[one] - aucs[other])
        differences.append(StrongestDifference(one, other, value, errors, n, pairs))
    return differences


def _rivals(places: IntArray, aucs: FloatArray, covariance: FloatArray, n: int) -> IntArray:
    """The strongest attack, and those that fall behind it by less than the records can tell."""
    best = places[aucs[places].argmax()]
    variance = np.diag(covariance)[places] + covariance[best, best] - 2.0 * covariance[best, places]
    behind = np.sqrt(np.maximum(variance, 0.0) * math.log(n))
    return np.asarray(places[aucs[best] - aucs[places] <= behind])
