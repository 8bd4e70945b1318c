"""True-positive rate at a low false-positive rate; the interval includes the uncertainty of the threshold."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import betainc, betaincinv

from harness.errors import InputError
from harness.stats._checks import as_design_effect, as_level
from harness.stats._count_law import CountLaw
from harness.stats._intervals import clopper_pearson, two_sided_z
from harness.stats._roc import Roc, as_roc
from harness.stats._tie import before_ties, behind_ties, crossing, largest_tie, tied_ends
from harness.stats._tpr_parts import ROUNDING, expected_false_positives
from harness.types import TprEstimate

__all__ = ["tpr_at_fpr"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Fewer expected false positives than this do not fix a threshold: at 10 its false-positive rate is known to a factor
# of two or so, at 3 to a factor of five.
MIN_FALSE_POSITIVES = 10
# False-positive counts of the population's threshold that are less probable than this are left out.
NEGLIGIBLE = 1e-6
# Counts to sum over; wider ranges (large n) are thinned evenly, which changes the interval by less than 0.1%.
MAX_COUNTS = 64
# A straight line describes the curve within two standard deviations of the count (a level of 95%). Beyond, a concave
# curve lies far below it at the lowest counts, and intervals at levels of .999 missed up to 8 times too often: the
# line's share falls with the square of the level's normal quantile.
LINE_ENDS = two_sided_z(0.95)
# A tie of more standard deviations of the count makes the curve jump, which no line describes.
JUMP = 0.5


def tpr_at_fpr(
    scores: Roc | ArrayLike,
    fpr: float,
    membership: ArrayLike | None = None,
    *,
    level: float = 0.95,
    design_effect: float = 1.0,
) -> TprEstimate:
    """The ROC curve's step function at ``fpr``: the highest TPR over thresholds whose FPR is at most ``fpr``.

    Not interpolated: between two thresholds there is no attack. Where a tie crosses ``fpr`` and the step before it
    hides an attack that breaks ties at random, the rate is called unresolvable, and the interval spans from below the
    TPR before the tie to above that behind it: a step of 0% says nothing about a model whose largest score is shared
    by 1.2% of the non-members and a third of the members.

    **The interval** is for the TPR of the population's curve at ``fpr``. Clopper-Pearson on the true positives takes
    the realised threshold as given, but that comes from a handful of non-members. Their law is
    known exactly: the number of non-members at or above the population's threshold is Binomial(n, fpr). So the
    interval takes the quantiles of a mixture: for every possible count j of false positives, with its binomial
    probability, the Jeffreys distribution of a TPR with the true positives that the curve has at j. The curve's
    counts are first smoothed by a straight line fitted with the same probabilities, else their own jitter is counted
    twice (coverage 96 to 98%). The line counts less the higher the level is, and not at all where ties make the curve
    jump. The lower end takes the curve before its ties, the upper end behind them.

    Share of 1000 simulated audits per cell whose 95% interval holds the population's TPR (binormal scores with n
    members and n non-members; standard error 0.7; ``tests/stats/test_coverage.py`` repeats and prints it)::

        AUC                        .50    .55    .60    .70
        n = 1000, FPR 1%          96.5   96.1   95.6   94.9    Clopper-Pearson alone: 89.3  79.5  78.5  66.3
        n = 10000, FPR 1%         95.3   94.7   94.3   95.0                           85.8  81.8  76.6  67.8
        n = 10000, FPR 0.1%       95.2   95.3   95.5   94.7                           88.1  80.8  73.1  55.0

    With 10% of the members exposed, with AUC .96, and with 3000 to 10000 members against 1000 non-members it stays
    between 93.3% and 95.6%; with 200 members, whose counts are coarse, between 94.9% and 98.5%. With tied scores,
    from an atom of 0.9% that ends right before or behind the rate to a grid of 200 to 2000 values, it stays between
    93% and 99.5%. At the levels of simultaneous intervals (99.9 to 99.99%; 25 to 10000 records a side; FPR 0.1 to 5%,
    AUC .50 to .95) it misses 0 to 1.2 times as often as the level allows; ``tests/stats/test_tail_intervals.py``.
    Clopper-Pearson for the realised threshold is given as ``at_threshold``; for that rate it covers 95 to 96%.

    Args:
        scores: a curve, or scores ``[n]``.
        fpr: the largest false-positive rate allowed, a fraction in (0, 1).
        membership: 1 for members, 0 for non-members, ``[n]``; only beside scores.
        level: nominal coverage of the interval.
        design_effect: how many times larger the variance is than that of independent records (Kish, Survey Sampling,
            1965): 2 for scores that were cross-fitted over the audited membership. The interval is as if from
            ``n / design_effect`` records; the value does not change.

    Returns:
        The estimate. ``resolvable`` is False, ``value`` NaN and ``needed_n`` the number of non-members needed, where
        fewer than 10 false positives are expected; the interval is then wide, and its coverage still holds. Where ties
        hide the attack, ``needed_n`` is None: more records do not help, a finer score does.

    Raises:
        InputError: the arrays, the level, fpr or the design effect are unusable.
    """
    curve = as_roc(scores, membership)
    level, effect = as_level(level), as_design_effect(design_effect)
    if not 0.0 < fpr < 1.0:
        raise InputError(f"fpr: {fpr}, expected a fraction between 0 and 1, e.g. 0.01")
    expected = expected_false_positives(curve, fpr)
    enough = expected >= MIN_FALSE_POSITIVES
    law = CountLaw(curve.n_nonmembers, fpr, effect)
    cross = crossing(curve, math.floor(expected), effect=effect)
    hidden = enough and cross.hides
    value = float(curve.tp[cross.at]) / curve.n_members
    low, high = _interval(curve, law, level)
    low_tied, high_tied = tied_ends(curve, law, cross, level=level)
    return TprEstimate(
        value=value if enough and not hidden else math.nan,
        low=min(low, low_tied, value),
        high=max(high, high_tied, value),
        n=curve.n,
        method="binomial-mixture",
        level=level,
        resolvable=enough and not hidden,
        needed_n=None if enough else math.ceil(MIN_FALSE_POSITIVES / fpr - ROUNDING),
        fpr=fpr,
        false_positives=int(curve.fp[cross.at]),
        threshold=float(curve.thresholds[cross.at]),
        at_threshold=clopper_pearson(float(curve.tp[cross.at]) / effect, curve.n_members / effect, level=level),
        tied=cross.tied / curve.n_nonmembers,
    )


def _interval(curve: Roc, law: CountLaw, level: float) -> tuple[float, float]:
    """Quantiles of the mixture over the possible false-positive counts of the population's threshold."""
    m, tail = curve.n_members, (1.0 - level) / 2.0
    first, last = law.range(tail * NEGLIGIBLE)
    counts = np.unique(np.linspace(first, last, MAX_COUNTS).round().astype(np.int64))
    # Each remaining count represents its neighbours up to half way.
    edges = np.concatenate(([-1.0], (counts[1:] + counts[:-1]) // 2, [float(law.n)]))
    weights = np.diff(law.cdf(edges))
    lowest, highest = law.range(tail)
    line = min(1.0, (LINE_ENDS / two_sided_z(level)) ** 2)
    if largest_tie(curve, lowest, highest) > max(1.0, JUMP * law.deviation):
        line = 0.0

    def quantile(ends: tuple[FloatArray, FloatArray], q: float) -> float:
        own = (ends[0] + ends[1]) / 2.0
        positives = line * np.clip(_line(counts, own, weights), 0.0, m) + (1.0 - line) * own
        return _mixture_quantile(positives / law.effect, m / law.effect, weights, q)

    # Jeffreys' distribution never reaches 0 or 1, the truth may.
    may_be_zero = before_ties(curve, np.array([lowest]))[0][0] == 0
    may_be_one = behind_ties(curve, np.array([highest]), highest)[1][0] == m
    low = 0.0 if may_be_zero else quantile(before_ties(curve, counts), tail)
    high = 1.0 if may_be_one else quantile(behind_ties(curve, counts, highest), 1.0 - tail)
    return low, high


def _line(x: IntArray, y: FloatArray, weights: FloatArray) -> FloatArray:
    """Values at ``x`` of the line fitted to ``y`` by weighted least squares."""
    centred = x - weights @ x
    spread = float(weights @ centred**2)
    slope = float(weights @ (centred * y)) / spread if spread > 0.0 else 0.0
    return np.asarray(weights @ y + slope * centred)


def _mixture_quantile(positives: FloatArray, trials: float, weights: FloatArray, q: float) -> float:
    """Quantile of the mixture of Beta(positives + 1/2, trials - positives + 1/2)."""
    a, b = positives + 0.5, trials - positives + 0.5
    # The quantile rises with the positives, so the mixture's lies between those of the extreme ones.
    ends = [int(positives.argmin()), int(positives.argmax())]
    lowest, highest = map(float, betaincinv(a[ends], b[ends], q))
    if highest - lowest <= 1e-12:
        return lowest
    return float(brentq(lambda x: float(weights @ betainc(a, b, x)) - q, lowest, highest, xtol=1e-12, rtol=1e-9))
