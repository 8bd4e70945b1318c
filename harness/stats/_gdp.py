"""Lower bound of the mu of Gaussian differential privacy, and what a mu means as (epsilon, delta)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import betainc, betaincinv, log_ndtr, ndtr, ndtri

from harness.errors import InputError
from harness.stats._checks import as_delta, as_design_effect, as_level
from harness.stats._epsilon import rank_cuts
from harness.stats._roc import Roc, as_roc
from harness.types import Estimate

__all__ = ["gdp_delta", "gdp_epsilon", "gdp_lower", "gdp_p_value"]

FloatArray = NDArray[np.float64]

# Points of a standard normal variable and their weights, for the integral over a beta law.
POINTS: FloatArray = np.arange(-56, 57) / 8.0
WEIGHTS: FloatArray = np.exp(-(POINTS**2) / 2.0) / np.exp(-(POINTS**2) / 2.0).sum()
# No attack on 10^15 records shows a larger mu.
LARGEST = 20.0


def gdp_lower(
    scores: Roc | ArrayLike, membership: ArrayLike | None = None, *, level: float = 0.95, design_effect: float = 1.0
) -> Estimate:
    """Lower bound of the mu of the training, as a mu-Gaussian differentially private one.

    With such a training no attack on one record is better than telling N(mu, 1) from N(0, 1):
    ``TPR <= Phi(mu + Phi^-1(FPR))`` (Dong, Roth & Su, Gaussian differential privacy, JRSS B 2022). This is what private
    SGD guarantees nearly, so a mu says in one number what takes an epsilon for every delta (:func:`gdp_epsilon`).

    The cuts are those of :func:`epsilon_lower`, fixed by rank before any membership is read: the top and bottom 16,
    32, 64, ... records, each tested at ``alpha / number of cuts`` by one exact test on one count
    (:func:`gdp_p_value`), so that the bound holds for the best of them. Records tied at a cut are counted against the
    attack. The scores of members, and those of non-members, must be independent draws.

    Args:
        scores: a curve, or scores ``[n]``.
        membership: 1 for members, 0 for non-members, ``[n]``; only beside scores.
        level: probability that the bound is at most the true mu; one-sided.
        design_effect: how many times larger the variance is than that of independent records (Kish, Survey Sampling,
            1965): 2 for scores that were cross-fitted over the audited membership. The bound is as if from
            ``n / design_effect`` records.

    Returns:
        ``value`` and ``low`` are the bound, 0 where the records show no leakage; ``high`` is +inf.

    Raises:
        InputError: the arrays, the level or the design effect are unusable.
    """
    curve = as_roc(scores, membership)
    alpha, effect = 1.0 - as_level(level), as_design_effect(design_effect)
    sizes = [size for size in rank_cuts(curve.n) if size <= curve.n]
    m, n = curve.n_members / effect, curve.n_nonmembers / effect
    bound = 0.0
    for size in sizes:
        for right, own, others in ((_top(curve, size), m, n), (_bottom(curve, size), n, m)):
            counts = right / effect, (size - right) / effect, own, others
            bound = _raised(bound, counts, alpha / (2 * len(sizes)))
    return Estimate(bound, bound, math.inf, curve.n, "gaussian trade-off, simultaneous over ranks", level)


def gdp_p_value(right: float, wrong: float, own: float, others: float, mu: float) -> float:
    """The largest probability of so many right ones among the first ``right + wrong`` that mu-privacy allows.

    There are ``right`` of the ``own`` records among them at least when at most ``wrong`` of the ``others`` lie above
    the own record of rank ``right``. The own rate of that record's score is Beta(right, own - right + 1), the others'
    rate is at least ``Phi(Phi^-1(own rate) - mu)``, and their number is binomial.
    """
    if right <= 0.0:
        return 1.0
    own_rate = betaincinv(right, own - right + 1.0, ndtr(POINTS))
    rate = ndtr(ndtri(own_rate) - mu)
    within = betainc(max(others - wrong, 1e-300), wrong + 1.0, 1.0 - rate) if wrong < others else np.ones_like(rate)
    return float(WEIGHTS @ within)


def gdp_delta(mu: float, epsilon: float) -> float:
    """The smallest delta for which mu-Gaussian privacy implies (epsilon, delta)-differential privacy."""
    if mu == 0.0:
        return 0.0
    return float(ndtr(mu / 2.0 - epsilon / mu) - math.exp(epsilon + log_ndtr(-mu / 2.0 - epsilon / mu)))


def gdp_epsilon(mu: float, delta: float) -> float:
    """The smallest epsilon for which mu-Gaussian privacy implies (epsilon, delta)-differential privacy.

    Raises:
        InputError: mu is negative or not finite, or delta is not in [0, 1).
    """
    if not (math.isfinite(mu) and mu >= 0.0):
        raise InputError(f"mu: {mu}, expected a finite number of at least 0")
    delta = as_delta(delta)
    if gdp_delta(mu, 0.0) <= delta:
        return 0.0
    if delta == 0.0:
        return math.inf
    largest = 1.0
    while gdp_delta(mu, largest) > delta:
        largest *= 2.0
    return float(brentq(lambda epsilon: gdp_delta(mu, epsilon) - delta, 0.0, largest, xtol=1e-12))


def _raised(bound: float, counts: tuple[float, float, float, float], alpha: float) -> float:
    """The smallest mu, at least ``bound``, that does not make the counts less probable than ``alpha``."""
    if gdp_p_value(*counts, bound) >= alpha:
        return bound
    if gdp_p_value(*counts, LARGEST) < alpha:
        return LARGEST
    return float(brentq(lambda mu: gdp_p_value(*counts, mu) - alpha, bound, LARGEST, xtol=1e-9))


def _top(curve: Roc, size: int) -> int:
    """Members among the ``size`` records with the largest scores; of the tied ones the non-members come first."""
    above = curve.tp + curve.fp
    at = int(np.searchsorted(above, size, side="right")) - 1
    rest = size - int(above[at])
    return int(curve.tp[at]) + (max(0, rest - int(curve.fp[at + 1] - curve.fp[at])) if rest else 0)


def _bottom(curve: Roc, size: int) -> int:
    """Non-members among the ``size`` records with the smallest scores; of the tied ones the members come first."""
    above = curve.tp + curve.fp
    at = int(np.searchsorted(above, curve.n - size, side="left"))
    rest = size - (curve.n - int(above[at]))
    tied = int(curve.tp[at] - curve.tp[at - 1]) if rest else 0
    return curve.n_nonmembers - int(curve.fp[at]) + max(0, rest - tied)
