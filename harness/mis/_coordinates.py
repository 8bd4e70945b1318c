"""The law of undecided coordinates, from pairs of a float coordinate and what is deployed of it. Derived here.

For codes whose cells are known :func:`harness.mis.retained` gives the same share without refits of the codes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from scipy.special import erf

from harness.errors import InputError
from harness.results import COORDINATES, Comparison, Leakage
from harness.types import Array, Estimate, FloatArray

__all__ = ["MIN_REFITS", "Coordinates", "coordinates", "shift_leakage"]

# With fewer refits chance alone correlates as well as a code does, and the jackknife has no interval worth printing.
MIN_REFITS = 5
# The jackknife leaves out one refit at a time, or one group of refits where there are more than this.
MAX_GROUPS = 50
# The correction's series: it ends where no term counts; from 5 refits, without information, only slowly.
TERMS, LEAST_TERM = 256, 1e-9
# A coordinate that varies by less than this share of the largest one is rounding.
STILL = 1e-9
# Quantiles of chi-squared that stand for the records where the records' own influence is not given.
QUANTILES = 512
# Two quantizers whose leakages differ by less than this share are not told apart, however little they vary: the law
# neglects more than that.
EQUAL = 0.01
METHOD = "retained information, jackknife over refits"

# Shares of information, one a coordinate [d] -> how far each record shifts what is retained, squared, [m], mean 1.
Influence = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, eq=False)
class Coordinates:
    """What the law says of one quantizer.

    Args:
        leakage: predicted ``Delta_n``; its ``n`` counts refits.
        comparisons: other quantizer -> whether this one leaks more.
        undecided: ``u``, the number of undecided coordinates: retained information, summed, with its interval.
    """

    leakage: Leakage
    comparisons: Mapping[str, Comparison]
    undecided: Estimate


@dataclass(frozen=True, eq=False)
class _Measured:
    """One quantizer's retained information and what can be said of its spread.

    Args:
        refits: K.
        total: ``u``; below 0 where chance made it so.
        without: the same without each refit, or group of refits, ``[g]``.
        shifts: squared shift of each record as a share of the mean one, ``[m]``.
    """

    refits: int
    total: float
    without: FloatArray
    shifts: FloatArray

    @property
    def error(self) -> float:
        """Standard error of the total (jackknife)."""
        return _jackknife(self.without)


def coordinates(
    floats: Array,
    deployed: Mapping[str, Array],
    *,
    n: int,
    level: float = 0.95,
    influence: Influence | None = None,
) -> dict[str, Coordinates]:
    """Predict ``Delta_n`` of quantizers by how much of each float coordinate the deployed weights give away.

    One record moves the mean of a trained coordinate by about ``1/sqrt(n)`` of its spread over training sets. A float
    retains all information about that shift, a code a share ``J``: the squared correlation of the coordinate with what
    is deployed of it, which for codes of one normal coordinate is 2/pi at a tie of signs, and 0 where the code never
    changes. With ``u = sum J``, what is deployed with and without the record differs like two normal laws
    ``sqrt(u/n)`` apart, in total variation ``2 Phi(sqrt(u/n) / 2) - 1``, which is averaged over records; small shifts
    give ``sqrt(u / (2 pi n))``. J is estimated without bias where coordinate and deployed value are jointly normal, as
    sums over many codes nearly are (Olkin and Pratt 1958), so that the sum is right from few refits on; single signs
    come out a few percent too high.

    What it neglects: refits are normal, coordinates are independent (pass them in a basis in which they are nearly so;
    of correlated ones it counts some twice), and ``u`` is well below n. It speaks of training on n such records. So it
    says the same of a model that is audited with members that it never saw: that model leaks about its own records.

    Args:
        floats: coordinates of each refit before quantization ``[K, d]``.
        deployed: quantizer -> the same coordinates of what is deployed of each refit, ``[K, d]``.
        n: size of the training set, at least 2; that of the refits, as what a code retains depends on it.
        level: coverage of the intervals, which hold the choice of refits and records; comparisons hold it for all pairs
            at once.
        influence: how far records shift what is retained, given J; without it shifts are normal, their squares
            chi-squared.

    Returns:
        Quantizer -> what the law says. Without a figure where K is below 5 (``too_few_records``), or where nothing that
        is deployed ever changes (``single_candidate``).

    Raises:
        InputError: no quantizer, a shape that is not that of ``floats``, NaN or infinity (the quantizer is named), or
            an option out of range.
    """
    if n < 2:
        raise InputError(f"n={n}: the training set needs at least 2 records")
    if not 0 < level < 1:
        raise InputError(f"level={level} is outside (0, 1)")
    if not deployed:
        raise InputError("deployed: no quantizer", hint="give the deployed coordinates of at least one")
    before = _checked(floats, "floats")
    after = {name: _checked(values, name, shape=before.shape) for name, values in deployed.items()}
    measured = {name: _measured(before, values, influence) for name, values in after.items()}
    probed = {name: one for name, one in measured.items() if one is not None}
    pairs = len(probed) * (len(probed) - 1) // 2
    compared: dict[str, dict[str, Comparison]] = {name: {} for name in after}
    for a, b in itertools.permutations(probed, 2):
        compared[a][b] = Comparison(_log_ratio(probed[a], probed[b], n, 1.0 - (1.0 - level) / pairs))
    said = {}
    for name, one in measured.items():
        if one is None:
            status = "too_few_records" if len(before) < MIN_REFITS else "single_candidate"
            unknown = Leakage.unknown(n=len(before), law=COORDINATES, status=status, level=level)
            said[name] = Coordinates(unknown, {}, replace(unknown.delta, high=float(before.shape[1])))
        else:
            logs = _logs(one, n, level)
            leakage = Leakage.of_logs(logs, n=one.refits, method=METHOD, law=COORDINATES, level=level)
            said[name] = Coordinates(leakage, compared[name], _undecided(one, level))
    return said


def shift_leakage(undecided: float, n: int, shifts: FloatArray) -> float:
    """Total variation of two normal laws, averaged over records: ``mean 2 Phi(sqrt(u s / n) / 2) - 1``, 0 to 1.

    Args:
        undecided: ``u``, at least 0.
        n: size of the training set.
        shifts: squared shift ``s`` of each record as a share of the mean one ``[m]``.
    """
    return float(_apart(undecided, n, shifts).mean())


def _apart(undecided: float, n: int, shifts: FloatArray) -> FloatArray:
    # 2 Phi(x / 2) - 1, which keeps its digits where x is tiny.
    return np.asarray(erf(np.sqrt(undecided * shifts / (8.0 * n))))


def _checked(values: Array, name: str, *, shape: tuple[int, ...] | None = None) -> FloatArray:
    matrix = np.asarray(values)
    if matrix.ndim != 2 or 0 in matrix.shape or not np.issubdtype(matrix.dtype, np.number):
        raise InputError(f"{name}: shape {matrix.shape} of {matrix.dtype}, expected numbers [refits, coordinates]")
    if shape is not None and matrix.shape != shape:
        raise InputError(f"{name}: shape {matrix.shape}, but the floats have {shape}", hint="pair them refit by refit")
    numbers: FloatArray = matrix.astype(np.float64)
    if not np.isfinite(numbers).all():
        row, column = np.argwhere(~np.isfinite(numbers))[0]
        raise InputError(f"{name}: refit {row}, coordinate {column} is NaN or infinite")
    return numbers


def _measured(floats: FloatArray, deployed: FloatArray, influence: Influence | None) -> _Measured | None:
    k = len(floats)
    if k < MIN_REFITS or not _varies(deployed).any():
        return None
    shares = _shares(floats, deployed)
    total = float(shares.sum())
    groups = np.arange(k) % min(k, MAX_GROUPS)
    left = [groups != one for one in range(groups.max() + 1)]
    without = np.array([_shares(floats[kept], deployed[kept]).sum() for kept in left])
    weights = np.clip(shares, 0.0, 1.0)
    shifts = _normal_shifts(weights) if influence is None else influence(weights)
    return _Measured(k, total, without, shifts)


def _varies(values: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    spread = np.ptp(values, axis=0)
    return np.asarray(spread > STILL * max(float(np.abs(values).max()), np.finfo(np.float64).tiny))


def _shares(floats: FloatArray, deployed: FloatArray) -> FloatArray:
    """Retained information of each coordinate, unbiased and so at times below 0; 0 where either never changes."""
    k = len(floats)
    a, b = floats - floats.mean(axis=0), deployed - deployed.mean(axis=0)
    moving = _varies(floats) & _varies(deployed)
    shares = np.zeros(floats.shape[1])
    a, b = a[:, moving], b[:, moving]
    square = (a * b).sum(axis=0) ** 2 / ((a * a).sum(axis=0) * (b * b).sum(axis=0))
    rest = 1.0 - np.minimum(square, 1.0)
    # 1 - (K - 3) / (K - 2) (1 - R^2) 2F1(1, 1; K/2; 1 - R^2), by the series of 2F1.
    term, series = np.ones_like(rest), np.ones_like(rest)
    for m in range(TERMS):
        term = term * (m + 1) * rest / (0.5 * k + m)
        series = series + term
        if not (term > LEAST_TERM).any():
            break
    shares[moving] = 1.0 - (k - 3) / (k - 2) * rest * series
    return shares


def _normal_shifts(weights: FloatArray) -> FloatArray:
    """Quantiles of a chi-squared variable over its mean, with as many degrees as coordinates count."""
    total = float(weights.sum())
    degrees = total**2 / float((weights**2).sum()) if total > 0.0 else 1.0
    quantiles: FloatArray = stats.chi2.ppf((np.arange(QUANTILES) + 0.5) / QUANTILES, degrees)
    return np.asarray(quantiles / quantiles.mean())


def _jackknife(without: FloatArray) -> float:
    """Standard error of a figure from its values without each refit (Tukey 1958)."""
    g = len(without)
    return math.sqrt((g - 1) / g * float(((without - without.mean()) ** 2).sum()))


def _undecided(one: _Measured, level: float) -> Estimate:
    low, high = _ends(one, level)
    value = min(max(one.total, low), high)
    return Estimate(value, low, high, one.refits, METHOD, level)


def _ends(one: _Measured, level: float) -> tuple[float, float]:
    """Interval of ``u``, not below 0."""
    arm = float(stats.t.ppf(0.5 + level / 2.0, len(one.without) - 1)) * one.error
    return max(one.total - arm, 0.0), max(one.total + arm, np.finfo(np.float64).tiny)


def _logs(one: _Measured, n: int, level: float) -> tuple[float, float, float]:
    """Log leakage with its ends: of refits, and of the records over which it is averaged."""
    ends = _ends(one, level)
    # Where chance made the sum negative, the middle of the interval stands for it.
    middle = one.total if one.total > ends[0] else 0.5 * (ends[0] + ends[1])
    value = _log_leakage(middle, n, one.shifts)
    by_records = float(stats.norm.ppf(0.5 + level / 2.0)) * _relative_error(one, middle, n)
    low, high = (_log_leakage(end, n, one.shifts) for end in ends)
    return value, value - math.hypot(value - low, by_records), min(value + math.hypot(high - value, by_records), 0.0)


def _log_leakage(undecided: float, n: int, shifts: FloatArray) -> float:
    leaked = shift_leakage(undecided, n, shifts)
    return math.log(leaked) if leaked > 0.0 else -math.inf


def _relative(one: _Measured, undecided: float, n: int) -> FloatArray:
    """Each record's leakage as a share of the mean one, ``[m]``."""
    each = _apart(undecided, n, one.shifts)
    mean = float(each.mean())
    return each / mean if mean > 0.0 else np.ones_like(each)


def _relative_error(one: _Measured, undecided: float, n: int) -> float:
    each = _relative(one, undecided, n)
    return float(each.std(ddof=1)) / math.sqrt(len(each)) if len(each) > 1 else 0.0


def _log_ratio(a: _Measured, b: _Measured, n: int, level: float) -> Estimate:
    """Log of a's leakage over b's, both of the same refits and records."""
    value = _logs(a, n, level)[0] - _logs(b, n, level)[0]
    if min(_ends(a, level)[0], _ends(b, level)[0], a.without.min(), b.without.min()) > 0.0:
        each = np.array(
            [
                _log_leakage(x, n, a.shifts) - _log_leakage(y, n, b.shifts)
                for x, y in zip(a.without, b.without, strict=True)
            ]
        )
        apart = _relative(a, a.total, n) - _relative(b, b.total, n)
        records = float(apart.std(ddof=1)) / math.sqrt(len(apart)) if len(apart) > 1 else 0.0
        arm = math.hypot(
            float(stats.t.ppf(0.5 + level / 2.0, len(each) - 1)) * _jackknife(each),
            float(stats.norm.ppf(0.5 + level / 2.0)) * records,
        )
        low, high = value - arm, value + arm
    else:
        # A logarithm has no jackknife near 0: the ends of both intervals, which hold at once, bound the ratio.
        one, other = (_logs(x, n, 1.0 - (1.0 - level) / 2.0) for x in (a, b))
        low, high = one[1] - other[2], one[2] - other[1]
    return Estimate(value, low - EQUAL, high + EQUAL, a.refits, METHOD, level)
