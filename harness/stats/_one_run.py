"""Lower bound of epsilon from one training run with records that were inserted by the toss of a coin."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import bdtrc, betaincinv, expit, logit
from scipy.stats import binom

from harness.errors import InputError
from harness.stats._checks import as_delta, as_level
from harness.stats._epsilon import rank_cuts
from harness.stats._roc import Roc, roc
from harness.types import Estimate

__all__ = ["one_run_epsilon", "one_run_p_value"]

FloatArray = NDArray[np.float64]

# Tosses of a fair coin are further from one half with less than this probability: then they were no such tosses.
UNFAIR = 1e-9
# Epsilons at which the p-value is looked up before the crossing is solved for.
GRID = 65


def one_run_epsilon(
    scores: ArrayLike,
    membership: ArrayLike,
    *,
    guesses: tuple[int, int] | None = None,
    delta: float = 0.0,
    level: float = 0.95,
) -> Estimate:
    """Lower bound of the epsilon of an (epsilon, delta)-private training, from one model.

    Records (canaries) are inserted on purpose: an independent toss of a fair coin decides for each whether it is
    trained on. The auditor calls the records with the largest scores members and those with the smallest
    non-members, and abstains from the rest. Whatever the training does with all records together, the right ones of
    r guesses are dominated by Binomial(r, e^epsilon / (1 + e^epsilon)), with a correction for delta
    (:func:`one_run_p_value`): Steinke, Nasr & Jagielski, Privacy auditing with one (1) training run, NeurIPS 2023.

    Without leakage a guess is right with the odds of the coin, 1, where :func:`epsilon_lower` takes those of the
    audit, m / n: there a fixed number of members was drawn.

    How many guesses are made must not follow from the memberships. Give ``guesses`` where it was fixed beforehand.
    Without, the top 16, 32, 64, ... records, alone and together with as many at the bottom, are tested, each at
    ``alpha / number of tests``, and the bound holds for the best of them.

    Args:
        scores: larger = more likely a member, ``[n]``.
        membership: the tosses: 1 where the record was trained on, ``[n]``.
        guesses: how many records are called members and how many non-members. A cut through tied records moves to the
            end of their group, so that fewer are called.
        delta: the delta of the guarantee that is tested.
        level: probability that the bound is at most the true epsilon; one-sided.

    Returns:
        ``value`` and ``low`` are the bound, 0 where the records show no leakage; ``high`` is +inf.

    Raises:
        InputError: the arrays, the guesses, the level or delta are unusable, or the memberships are no tosses of a
            fair coin.
    """
    curve = roc(scores, membership)
    alpha, delta = 1.0 - as_level(level), as_delta(delta)
    _check_coin(curve)
    if guesses is None:
        tests = [(k, other) for k in rank_cuts(curve.n) for other in (0, k) if k + other <= curve.n]
        method = "one run, simultaneous over ranks"
    else:
        tests, method = [_checked(guesses, curve.n)], "one run, guesses fixed beforehand"
    bounds = [_bound(*_right(curve, *test), curve.n, delta, alpha / len(tests)) for test in tests]
    bound = max(bounds, default=0.0)
    return Estimate(bound, bound, math.inf, curve.n, method, level)


def one_run_p_value(right: int, guesses: int, epsilon: float, *, records: int, delta: float = 0.0) -> float:
    """The largest probability of so many right guesses that an (epsilon, delta)-private training allows.

    With delta, at most ``2 * records * delta`` records are expected to leak beyond epsilon, and each gives one right
    guess more. The worst law of their number puts all its weight on the one that gains most for its mean:
    ``P(B >= v) + 2 n delta max_i P(v > B >= v - i) / i`` with B binomial.
    """
    return float(_p_values(right, guesses, np.array([epsilon]), records, delta)[0])


def _p_values(right: int, guesses: int, epsilons: FloatArray, records: int, delta: float) -> FloatArray:
    chance = expit(epsilons)
    reached = _at_least(right, guesses, chance)
    if delta > 0.0 and right > 0:
        gains = np.arange(1, right + 1)
        nearly = _at_least((right - gains)[:, None], guesses, chance) - reached
        reached = reached + 2.0 * records * delta * (nearly / gains[:, None]).max(axis=0)
    return np.minimum(reached, 1.0)


def _at_least(count: int | NDArray[np.int64], trials: int, chance: FloatArray) -> FloatArray:
    """P(Binomial(trials, chance) >= count)."""
    count = np.asarray(count)
    return np.where(count > 0, bdtrc(np.maximum(count - 1.0, 0.0), trials, chance), 1.0)


def _bound(right: int, guesses: int, records: int, delta: float, alpha: float) -> float:
    """The smallest epsilon that does not make so many right guesses less probable than ``alpha``; at least 0."""
    if right == 0:
        return 0.0
    largest = float(logit(betaincinv(right, guesses - right + 1.0, alpha)))
    if delta == 0.0 or largest <= 0.0:
        return max(0.0, largest)
    # Delta only lowers the bound. The p-value need not rise with epsilon, so it is the first crossing that counts.
    grid = np.linspace(0.0, largest, GRID)
    enough = _p_values(right, guesses, grid, records, delta) >= alpha
    if enough[0]:
        return 0.0
    first = int(np.argmax(enough)) if enough.any() else GRID - 1
    if not enough.any():
        return largest

    def excess(epsilon: float) -> float:
        return one_run_p_value(right, guesses, epsilon, records=records, delta=delta) - alpha

    return float(brentq(excess, grid[first - 1], grid[first], xtol=1e-9))


def _right(curve: Roc, members: int, nonmembers: int) -> tuple[int, int]:
    """Right guesses and guesses where so many records are called members and non-members."""
    above = curve.tp + curve.fp
    top = int(np.searchsorted(above, members, side="right")) - 1
    bottom = int(np.searchsorted(above, curve.n - nonmembers, side="left"))
    right = int(curve.tp[top]) + curve.n_nonmembers - int(curve.fp[bottom])
    return right, int(above[top]) + curve.n - int(above[bottom])


def _checked(guesses: tuple[int, int], n: int) -> tuple[int, int]:
    members, nonmembers = guesses
    if members < 0 or nonmembers < 0 or not 0 < members + nonmembers <= n:
        raise InputError(
            f"guesses: {members} members and {nonmembers} non-members of {n} records",
            hint="give two counts whose sum is between 1 and the number of records",
        )
    return members, nonmembers


def _check_coin(curve: Roc) -> None:
    fewest, most = (int(binom.ppf(q, curve.n, 0.5)) for q in (UNFAIR / 2.0, 1.0 - UNFAIR / 2.0))
    if not fewest <= curve.n_members <= most:
        raise InputError(
            f"membership: {curve.n_members} of {curve.n} are members; tosses of a fair coin give {fewest} to {most}",
            hint="insert each record by a toss of its own, or use epsilon_lower",
        )
