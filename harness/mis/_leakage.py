"""The leakage with an interval: how large it can be, and how small, given how few records fixed the gaps."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.special import logsumexp

from harness.errors import InputError
from harness.mis._joint import JointLaw, joint_law
from harness.mis._matrix import MIN_POINTS, checked, dedupe
from harness.results import Leakage
from harness.types import Array, Estimate, FloatArray

__all__ = ["leakage"]

# Beyond this many standard deviations of the summed loss a rival wins once in 1e15 trainings.
REACH = 8.0
MAX_RIVALS = 127
# Draws that a leakage is integrated with, and data sets drawn to say how often so little leakage would be seen.
NORMALS, DATA_SETS = 16384, 400
# Gaps that are tried, as multiples of those that were seen.
MULTIPLES = np.concatenate([[0.0], np.geomspace(0.02, 8.0, 48)])
METHOD = "joint limit, gaps inverted"
LAW = "candidates"
# Half of 1.96 squared: to tell n r = 2 from a tie takes this many records over two for each of the training set's.
TIE_CHI2 = 1.92
# An interval that spans more than this factor says that the records cannot tell.
RESOLVED_FACTOR = 3.0


# The true gaps that are tried, by a multiple of what was seen.
Family = Callable[[float], FloatArray]


def leakage(losses: Array, *, n: int, level: float = 0.95, seed: int = 0) -> Leakage:
    """Estimate ``Delta_n`` with an interval that stays right where n outgrows the number of records. Derived.

    N records know a gap to within its spread over ``sqrt(N)``; a training set of n records looks at gaps of spread over
    ``sqrt(n)``. Where n > N the seen gaps say that every tie is decided, and a leakage computed from them is too small.
    So data sets are drawn as they would be seen if the true gaps were ``c`` times a pattern, for c from 0 (a tie) up,
    and the interval holds the leakages of all c under which so much, or so little, separation as here is no surprise.
    Three patterns are tried: all gaps as seen; the same shrunk towards their mean by as much as noise spread them; and
    these with the closest rival's gap alone scaled.

    Args:
        losses: ``[K, N]`` on held-out records.
        n: size of the training set, at least 2.
        level: coverage of the interval.
        seed: of the draws; the same seed gives the same bits.

    Raises:
        InputError: the matrix, ``n`` or ``level`` cannot be used.
    """
    if n < 2:
        raise InputError(f"n={n}: the training set needs at least 2 records")
    if not 0 < level < 1:
        raise InputError(f"level={level} is outside (0, 1)")
    matrix, _ = dedupe(checked(losses, min_points=MIN_POINTS))
    points = matrix.shape[1]
    if len(matrix) == 1:
        return Leakage.unknown(n=points, law=LAW, status="single_candidate", level=level)
    law = joint_law(_reachable(np.asarray(matrix, dtype=np.float64), n))
    rng = np.random.default_rng(seed)
    normals = rng.standard_normal((NORMALS, law.root.shape[1]))
    noise = rng.standard_normal((DATA_SETS, law.root.shape[1])) @ law.root.T / math.sqrt(points)

    def log_delta(gaps: FloatArray) -> float:
        return law.log_delta(gaps, n=n, normals=normals)

    plug_in = log_delta(law.means)
    ends = [_ends(law, family, noise, n, level, log_delta) for family in _families(law, points)]
    value = ends[-1 if len(ends) == 1 else 1][1]
    low, high = min(low for low, _, _ in ends), max(high for _, _, high in ends)
    value = min(max(value, low), high)
    estimate = Estimate(math.exp(value), math.exp(low), math.exp(high), points, METHOD, level)
    is_wide = high - low > math.log(RESOLVED_FACTOR)
    needed = math.ceil(TIE_CHI2 * n / 2.0)
    status = "unresolved" if is_wide else "ok"
    return Leakage(estimate, (value, low, high), LAW, status, needed if needed > points else None, plug_in)


def _reachable(matrix: FloatArray, n: int) -> FloatArray:
    """The best candidate and the rivals that can win at this n, seen from N records, in their order."""
    means = matrix.mean(axis=1)
    best = int(np.argmin(means))
    spread = np.array([float((row - matrix[best]).std()) for row in matrix])
    gaps = means - means[best]
    ratio = np.where(spread > 0.0, gaps / np.where(spread > 0.0, spread, 1.0), np.inf)
    ratio[best] = -np.inf
    reach = REACH / math.sqrt(min(n, matrix.shape[1]))
    order = np.argsort(ratio, kind="stable")
    closest = ratio[order[1]] if math.isfinite(ratio[order[1]]) else 0.0
    near = order[ratio[order] <= closest + reach][: MAX_RIVALS + 1]
    return matrix[np.sort(near if len(near) > 1 else order[:2])]


def _families(law: JointLaw, points: int) -> list[Family]:
    """Gaps as functions of the multiple: see :func:`leakage`."""
    rivals = (law.spreads > 0.0) & (np.arange(len(law.means)) != law.best)
    as_seen = law.means
    if rivals.sum() < 2:
        return [lambda c: c * as_seen]
    spreads = law.spreads[rivals]
    ratios = law.means[rivals] / spreads
    directions = law.root[rivals] / spreads[:, None]
    common = directions.mean(axis=0)
    noise = (1.0 - float(common @ common)) / points
    spread = float(ratios.var())
    kept = max(0.0, 1.0 - noise / spread) if spread > 0.0 else 0.0
    shrunk = np.array(as_seen)
    shrunk[rivals] = np.maximum(0.0, ratios.mean() + kept * (ratios - ratios.mean())) * spreads
    closest = np.arange(len(as_seen)) == law.nearest
    return [
        lambda c: c * as_seen,
        lambda c: c * shrunk,
        lambda c: np.where(closest, c * as_seen, shrunk),
    ]


def _ends(
    law: JointLaw,
    family: Family,
    noise: FloatArray,
    n: int,
    level: float,
    log_delta: Callable[[FloatArray], float],
) -> tuple[float, float, float]:
    """Lower end, median-unbiased value and upper end of ``log Delta_n`` along one family of gaps."""
    seen = float(_separation(law, law.means[None], n)[0])
    drawn = np.stack([_separation(law, family(c) + noise, n) for c in MULTIPLES])
    at_most = (drawn <= seen).mean(axis=1)  # grows with c: the larger the gaps, the less leakage is seen
    at_least = (drawn >= seen).mean(axis=1)
    tail = 0.5 * (1.0 - level)
    smallest = _first(at_most >= tail)
    middle = _first(at_most >= 0.5)
    largest = _last(at_least >= tail)
    low, value, high = (log_delta(family(MULTIPLES[i])) for i in (largest, middle, smallest))
    return min(low, high), value, max(low, high)


def _separation(law: JointLaw, means: FloatArray, n: int) -> FloatArray:
    """What a data set shows of the leakage: the pairs' Gaussian exponents added, as a logarithm, ``[B]``."""
    rows = np.arange(len(means))
    best = means.argmin(axis=1)
    products = law.root @ law.root.T
    squares = np.diag(products)
    variance = squares[None, :] + squares[best][:, None] - 2.0 * products[best]
    gaps = means - means[rows, best][:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        exponents = np.where(variance > 0.0, -0.5 * n * gaps**2 / variance, -np.inf)
    exponents[rows, best] = -np.inf
    return np.asarray(logsumexp(exponents, axis=1))


def _first(holds: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
    return int(np.argmax(holds)) if holds.any() else len(holds) - 1


def _last(holds: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
    return int(np.flatnonzero(holds)[-1]) if holds.any() else 0
