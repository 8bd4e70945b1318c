"""Tied scores near a false-positive rate: what a step of the curve can hide, and which points it could have been.

The population's threshold lies before or behind a tie, never in it. Which of the two cannot be known where the tie's
share of the population may be on either side of the rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.stats._count_law import CountLaw
from harness.stats._intervals import clopper_pearson
from harness.stats._roc import Roc

__all__ = ["Crossing", "before_ties", "behind_ties", "crossing", "largest_tie", "tied_ends"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# A step is as good a description as its curve while it hides at most this share of what random tie-breaking exposes.
HIDDEN_SHARE = 0.2
# The level at which "more than the records resolve" is meant. It is one for all intervals, so that a rate is not
# resolvable in one column of a report and unresolvable in the next, which holds the simultaneous intervals.
RESOLUTION = 0.95
# In standard deviations of the false-positive count. The spread over counts absorbs smaller ties; behind larger ones
# the curve jumps so far that the two ends have to be bounded one by one.
LARGE = 1.5


@dataclass(frozen=True)
class Crossing:
    """What happens where the allowed number of false positives is reached.

    Args:
        at: the curve's last point with at most the allowed number of false positives.
        tied: non-members with the score that crosses the allowed number; 0 where a threshold reaches it exactly.
        hides: whether the step hides an attack that breaks the ties at random.
    """

    at: int
    tied: int
    hides: bool


def crossing(curve: Roc, allowed: int, *, effect: float) -> Crossing:
    """What happens at the ``allowed`` number of false positives.

    The step function reports the point before a tie that crosses. How much that hides depends on the members in the
    tie, not on its size alone: 3 of 10 allowed false positives may be all that the attack has, and a tie of a third
    of the non-members that holds no members hides nothing. So the step is compared with the attack that breaks the
    ties at random and reaches the allowed number. It hides that attack where it shows less than four fifths of it
    **and** the difference is more than the records resolve: the exact interval of the step excludes it.
    """
    at = int(np.searchsorted(curve.fp, allowed, side="right")) - 1
    missing = allowed - int(curve.fp[at])
    if missing == 0 or at == len(curve) - 1:
        return Crossing(at, tied=0, hides=False)
    tied = int(curve.fp[at + 1] - curve.fp[at])
    step = float(curve.tp[at])
    exposed = step + float(curve.tp[at + 1] - curve.tp[at]) * missing / tied
    resolved = clopper_pearson(step / effect, curve.n_members / effect, level=RESOLUTION)[1] * curve.n_members
    return Crossing(at, tied, hides=exposed > max(resolved, step / (1.0 - HIDDEN_SHARE)))


def before_ties(curve: Roc, counts: IntArray) -> tuple[FloatArray, FloatArray]:
    """The fewest true positives that the population's threshold may have in these records, for each of ``counts``.

    Breaking ties at random, ``counts`` non-members are above the threshold. Where the last of them is tied to others,
    that threshold lies in the tie, and the one that can be chosen before it.

    Returns:
        Lower and upper end of the curve's vertical step there.
    """
    top, bottom = _step(curve, counts)
    previous = np.maximum(bottom - 1, 0)
    ends_tie = (curve.fp[top] == counts) & (curve.fp[bottom] - curve.fp[previous] > 1)
    top = np.where(ends_tie, previous, top)
    bottom = np.searchsorted(curve.fp, curve.fp[top], side="left")
    return curve.tp[bottom].astype(np.float64), curve.tp[top].astype(np.float64)


def behind_ties(curve: Roc, counts: IntArray, highest: int) -> tuple[FloatArray, FloatArray]:
    """The most true positives that the population's threshold may have in these records, for each of ``counts``.

    Within a tie these are all of its members where the whole tie may lie within the rate, which is where it ends
    before the ``highest`` plausible count, and else as many as random tie-breaking gives.

    Returns:
        Lower and upper end of the curve's vertical step there.
    """
    top, bottom = _step(curve, counts)
    following = np.minimum(top + 1, len(curve) - 1)
    inside = counts - curve.fp[top]
    share = inside / np.maximum(1, curve.fp[following] - curve.fp[top])
    share = np.where(curve.fp[following] <= highest, 1.0, share)
    reached = curve.tp[top] + share * (curve.tp[following] - curve.tp[top])
    return np.where(inside > 0, reached, curve.tp[bottom]), np.where(inside > 0, reached, curve.tp[top])


def largest_tie(curve: Roc, lowest: int, highest: int) -> int:
    """Non-members of the largest tie that touches the counts from ``lowest`` to ``highest``."""
    first = int(np.searchsorted(curve.fp, lowest, side="left"))
    last = int(np.searchsorted(curve.fp, highest, side="right"))
    return int(np.diff(curve.fp[max(0, first - 1) : last + 1]).max(initial=0))


def tied_ends(curve: Roc, law: CountLaw, cross: Crossing, *, level: float) -> tuple[float, float]:
    """How far an interval has to reach because of large ties: its lower end at most, its upper end at least.

    It begins below the TPR before the first tie that may cross the rate, and ends above that behind the last one that
    may lie within it, each exact: either end alone then misses with its nominal probability, wherever in the tie the
    rate is. Behind a tie that hides the attack it ends above the whole tie.
    """
    lowest, highest = law.range((1.0 - level) / 2.0)
    before, behind = curve.fp[:-1], curve.fp[1:]
    large = (behind - before > max(1.0, LARGE * law.deviation)) & (behind >= lowest)
    starts, ends = np.flatnonzero(large & (before <= highest)), np.flatnonzero(large & (behind <= highest))
    reached = [int(end) + 1 for end in ends[-1:]] + [cross.at + 1] * cross.hides
    low = min((_exact(curve, int(at), law.effect, level)[0] for at in starts[:1]), default=1.0)
    return low, max((_exact(curve, at, law.effect, level)[1] for at in reached), default=0.0)


def _step(curve: Roc, counts: IntArray) -> tuple[IntArray, IntArray]:
    """Upper and lower end of the curve's vertical step at (the last reached) false-positive ``counts``."""
    top = np.searchsorted(curve.fp, counts, side="right") - 1
    return top, np.searchsorted(curve.fp, curve.fp[top], side="left")


def _exact(curve: Roc, at: int, effect: float, level: float) -> tuple[float, float]:
    return clopper_pearson(float(curve.tp[at]) / effect, curve.n_members / effect, level=level)
