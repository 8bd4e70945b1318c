"""The leakage with an interval: how large it can be, and how small, given how few records fixed the gaps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from harness.errors import InputError
from harness.mis._bootstrap import FEW, checked_all
from harness.mis._gaps import paths
from harness.mis._indicator import TIE_CHI2
from harness.mis._inversion import Tested, tested
from harness.mis._joint import JointLaw, joint_law
from harness.mis._matrix import groups_of
from harness.mis._multipliers import Redrawn, redrawn
from harness.mis._reach import reachable
from harness.mis._units import Units
from harness.results import CANDIDATES, Leakage
from harness.types import Array, FloatArray

__all__ = ["Predicted", "leakage", "predicted", "unseen_log_delta"]

# Points of the normal law that a leakage is integrated with; a power of two, see scipy.stats.qmc.Sobol.
POINTS = 8192
# The farthest point: a normal variable lies beyond once in 1e12.
CLIP = 1e-12
METHOD = "joint limit, gaps inverted"
# Beyond this many times as many records as were seen, those that nobody drew may decide everything.
MOST_AHEAD = 100
# With several rivals, who wins changes with the spreads, which the first-order standard error leaves out. Simulated:
# the whole is 1.3 to 2.1 times as large.
LEFT_OUT = 2.0


@dataclass(frozen=True, eq=False)
class Predicted:
    """The leakage of one quantizer and what it takes to compare it with that of another.

    Args:
        leakage: the prediction.
        tests: what was tested along each path; empty where nothing was probed.
        log_delta: ``log Delta_n`` of gaps.
        error: standard error of ``log_delta`` at known gaps.
        is_shown: whether the records can show what decides: one at least prefers a rival, and n is not beyond them.
    """

    leakage: Leakage
    tests: tuple[Tested, ...] = ()
    log_delta: Callable[[FloatArray], float] = lambda _: math.nan
    error: float = 0.0
    is_shown: bool = False


def leakage(
    losses: Array,
    *,
    n: int,
    level: float = 0.95,
    seed: int = 0,
    strata: Array | None = None,
    clusters: Array | None = None,
) -> Leakage:
    """Estimate ``Delta_n`` with an interval that stays right where n outgrows the number of records. Derived.

    N records know a gap to within its spread over ``sqrt(N)``; a training set of n records looks at gaps of spread over
    ``sqrt(n)``. Where n > N the seen gaps say that every tie is decided, and a leakage computed from them is too small.
    So data sets are drawn as they would be seen if the true gaps lay nearer to a tie than those that were seen, or
    farther from it, and the interval holds the leakages of all gaps under which so much, or so little, separation as
    here is no surprise. It reaches at least as far down as the closest rivals' own standard errors do.

    A rival that no record prefers may still win on records that nobody drew: at most ``3.7 / N`` of all, at 97.5%. Then
    the upper end is at least the leakage of a tie that so rare records decide, and so it is where n > 100 N.

    Args:
        losses: ``[K, N]`` on held-out records.
        n: size of the training set, at least 2.
        level: coverage of the interval.
        seed: of the draws; the same seed gives the same bits.
        strata: e.g. classes of the records ``[N]``, whose shares are known.
        clusters: e.g. source items of the records ``[N]``; records of one item are one draw.

    Returns:
        The prediction. Without a rival whose loss varies, or with fewer than 30 records, it has a status and no figure.

    Raises:
        InputError: the matrix, ``n``, ``level`` or the units cannot be used.
    """
    matrices, units = checked_all({"": losses}, strata=strata, clusters=clusters)
    return predicted(matrices[""], n=n, level=level, seed=seed, units=units).leakage


def predicted(matrix: FloatArray, *, n: int, level: float, seed: int, units: Units) -> Predicted:
    """As :func:`leakage`, of a checked matrix, with what comparisons need."""
    if n < 2:
        raise InputError(f"n={n}: the training set needs at least 2 records")
    if not 0 < level < 1:
        raise InputError(f"level={level} is outside (0, 1)")
    firsts = [group[0] for group in groups_of(matrix)]
    if len(firsts) == 1:
        return Predicted(Leakage.unknown(n=units.count, law=CANDIDATES, status="single_candidate", level=level))
    needed = math.ceil(TIE_CHI2 * n / 2.0)
    if units.count < FEW:
        few, needed = "too_few_records", max(FEW, needed)
        return Predicted(Leakage.unknown(n=units.count, law=CANDIDATES, status=few, level=level, needed_records=needed))
    rows = reachable(matrix if len(firsts) == len(matrix) else matrix[firsts], n)
    law = joint_law(rows)
    if law.nearest == law.best:  # all rivals are worse by a constant: no record says what a training might choose
        return Predicted(Leakage.unknown(n=units.count, law=CANDIDATES, status="single_candidate", level=level))
    rows -= rows[law.best].copy()
    is_shown = bool((rows.min(axis=1) < 0.0).any()) and n <= MOST_AHEAD * units.count
    errors = redrawn(rows, law.closest, units=units, seed=seed)
    tests = tuple(tested(law, path, errors, n) for path in paths(law, errors, n))
    normals = _normals(law.root.shape[1], seed)

    def log_delta(gaps: FloatArray) -> float:
        return law.log_delta(gaps, n=n, normals=normals)

    spread = law.standard_error(law.means, n=n, normals=normals) * _design(law, errors)
    if (law.spreads > 0.0).sum() > 1:
        spread *= LEFT_OUT
    value, low, high = _ends(tests, log_delta, spread, level)
    if not is_shown:
        high = max(high, unseen_log_delta(n, units.count, 1.0 - level))
    found = Leakage.of_logs(
        (value, low, high),
        n=units.count,
        method=METHOD,
        law=CANDIDATES,
        level=level,
        is_shown=is_shown,
        needed_records=needed if needed > units.count else None,
        plug_in=log_delta(law.means),
    )
    return Predicted(found, tests, log_delta, spread, is_shown)


def _ends(
    tests: Sequence[Tested], log_delta: Callable[[FloatArray], float], error: float, level: float
) -> tuple[float, float, float]:
    """Value, lower and upper end over all paths."""
    ends = [test.ends(level, log_delta) for test in tests]
    quantile = NormalDist().inv_cdf(0.5 * (1.0 + level))
    # Where what was seen lies the errors of one figure away: no interval may be narrower by luck.
    alone = log_delta(tests[0].path.at(quantile))
    low = min(alone, *(low for _, low, _ in ends)) - quantile * error
    high = min(max(high for _, _, high in ends) + quantile * error, 0.0)
    return min(max(float(np.mean([value for value, _, _ in ends])), low), high), low, high


def _design(law: JointLaw, errors: Redrawn) -> float:
    """By what factor the units' errors exceed those of single records."""
    varies = law.spreads > 0.0
    return float(
        np.sqrt((errors.errors[:, varies] ** 2).mean(axis=0) / law.spreads[varies] ** 2 * len(law.closest)).mean()
    )


def unseen_log_delta(n: int, points: int, error: float) -> float:
    """The log of what leaks if records decide that nobody drew, because they are too rare. Derived.

    The rival wins on a share p of the records, which ``points`` draws miss with a chance of ``error / 2``. What one
    record adds to a decision is at most ``E|X| / (s sqrt(2 pi n))``; at a tie ``E|X| = 2 E max(0, -X) <= 2 sqrt(p) s``.
    If no training holds more than one such record, it gives away no more than that it was there.
    """
    p = min(1.0, -math.log(0.5 * error) / points)
    return math.log(min(2.0 * p, math.sqrt(2.0 * p / (math.pi * n)), 1.0))


def _normals(rank: int, seed: int) -> FloatArray:
    """Evenly spread points of the standard normal law, ``[POINTS, rank]``."""
    points = qmc.Sobol(rank, seed=seed).random(POINTS)
    return np.asarray(ndtri(np.clip(points, CLIP, 1.0 - CLIP)))
