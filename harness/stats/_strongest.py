"""The strongest of several attacks against the strongest of others, with the choice repeated in the bootstrap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.stats._auc import pair_bound
from harness.stats._intervals import two_sided_z
from harness.stats._simultaneous import normal_draws
from harness.types import Estimate, FloatArray, IntArray

__all__ = ["StrongestDifference", "strongest_differences"]

# Draws of the bootstrap, which give a spread and a mean, no far quantile.
DRAWS = 2000
# A spread of AUCs below this is rounding.
ROUNDING = 1e-10


@dataclass(frozen=True)
class StrongestDifference:
    """The largest AUC of some attacks minus the largest of others, on the same records.

    Args:
        first: place of the strongest among the first attacks.
        second: place of the strongest among those that it is compared with.
        value: the difference.
        bias: what choosing among attacks that may be equally strong adds to it, by the bootstrap.
        spread: its standard deviation, by the bootstrap.
        n: records.
        pairs: members or non-members, whichever are fewer.
    """

    first: int
    second: int
    value: float
    bias: float
    spread: float
    n: int
    pairs: int

    def estimate(self, level: float) -> Estimate:
        """The difference with an interval of this level.

        It reaches from the plain value and from the value less its bias, whichever is farther out: nobody knows
        whether attacks that did about equally well are equally strong.
        """
        if self.spread <= 0.0:
            low, high = pair_bound((self.value + 1.0) / 2.0, self.pairs, level=level)
            return Estimate(self.value, 2.0 * low - 1.0, 2.0 * high - 1.0, self.n, "disjoint-pairs", level)
        half = two_sided_z(level) * self.spread
        ends = (self.value, self.value - self.bias)
        low, high = max(-1.0, min(ends) - half), min(1.0, max(ends) + half)
        return Estimate(self.value, low, high, self.n, "bootstrap, choice repeated", level)


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
    generalised moment selection.

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
        repeated = noise[:, ours].max(axis=1) - noise[:, theirs].max(axis=1)
        spread = float(repeated.std(ddof=1))
        # The rounding of two equal columns is no variance.
        spread = spread if spread > ROUNDING else 0.0
        value = float(aucs[one] - aucs[other])
        differences.append(StrongestDifference(one, other, value, float(repeated.mean()), spread, n, pairs))
    return differences


def _rivals(places: IntArray, aucs: FloatArray, covariance: FloatArray, n: int) -> IntArray:
    """The strongest attack, and those that fall behind it by less than the records can tell."""
    best = places[aucs[places].argmax()]
    variance = np.diag(covariance)[places] + covariance[best, best] - 2.0 * covariance[best, places]
    behind = np.sqrt(np.maximum(variance, 0.0) * 2.0 * math.log(math.log(n)))
    return np.asarray(places[aucs[best] - aucs[places] <= behind])
