"""Which of two quantizers leaks more: their leakages' ratio, from errors that are drawn on the same records."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from harness.mis._inversion import Tested
from harness.mis._leakage import Predicted, predicted, unseen_log_delta
from harness.mis._units import Units
from harness.results import Comparison, Leakage
from harness.types import Estimate, FloatArray

__all__ = ["leakages"]

# Share of the error that is spent on setting gaps aside that fit neither quantizer for itself (Berger & Boos 1994).
SET_ASIDE = 0.1
# Leakages that are computed along a path; those between are interpolated.
NODES = 9
# A spread of differences below this is rounding: the two quantizers err alike.
ROUNDING = 1e-9
# Stands for a difference that no error explains.
IMPOSSIBLE = 1e9


@dataclass(frozen=True, eq=False)
class _Side:
    """One quantizer along one of its paths.

    Args:
        seen: its separation, on a scale on which errors have about the same spread everywhere.
        mean: that of the data sets drawn under each gaps, ``[P]``.
        errors: what each data set adds, ``[P, data sets]``.
        logs: ``log Delta_n`` of each gaps, ``[P]``; NaN where they do not fit what was seen.
    """

    seen: float
    mean: FloatArray
    errors: FloatArray
    logs: FloatArray


def leakages(
    matrices: Mapping[str, FloatArray], *, n: int, level: float, seed: int, units: Units
) -> dict[str, tuple[Leakage, dict[str, Comparison]]]:
    """The predicted leakage of every quantizer, and its comparison with every other. Derived.

    Two quantizers' records are the same, and so are the errors that are drawn for them: what is hard for both moves
    neither closer to the other. Gaps of one and gaps of the other are a hypothesis; it is kept where the difference of
    the two separations that were seen is no surprise under it, and the interval of the ratio holds the ratios of all
    that are kept. Intervals hold together for all pairs (Bonferroni), so that an order made of verdicts is right as a
    whole with the chance ``level``.

    Args:
        matrices: quantizer -> checked losses ``[K, N]`` on the same records in the same order, float32 or float64.
        n: size of the training set, at least 2.
        level: coverage of every leakage, and of all comparisons together.
        seed: of the draws; the same seed gives the same bits.
        units: of the records.

    Returns:
        For each quantizer its leakage and, for every other one, whether it leaks more than that; none where either has
        no figure.

    Raises:
        InputError: ``n`` or ``level`` is out of range.
    """
    found = {name: predicted(matrix, n=n, level=level, seed=seed, units=units) for name, matrix in matrices.items()}
    probed = [name for name, one in found.items() if one.tests]
    comparisons: dict[str, dict[str, Comparison]] = {name: {} for name in found}
    pairs = list(itertools.combinations(probed, 2))
    if pairs:
        error = (1.0 - level) / len(pairs)
        sides = {name: [_side(found[name], test, error) for test in found[name].tests] for name in probed}
        unseen = unseen_log_delta(n, units.count, error)
        for a, b in pairs:
            ratio = _ratio((found[a], sides[a]), (found[b], sides[b]), unseen, error, level)
            comparisons[a][b] = Comparison(ratio)
            comparisons[b][a] = Comparison(_turned(ratio))
    return {name: (one.leakage, comparisons[name]) for name, one in found.items()}


def _side(one: Predicted, test: Tested, error: float) -> _Side:
    ceiling = math.log(test.path.gaps.shape[1] - 1)  # all rivals tied
    drawn = np.sqrt(2.0 * np.maximum(ceiling - test.drawn, 0.0))
    seen = math.sqrt(2.0 * max(ceiling - test.seen, 0.0))
    mean, spread = drawn.mean(axis=1), drawn.std(axis=1)
    reach = NormalDist().inv_cdf(1.0 - 0.25 * SET_ASIDE * error)
    fits = np.abs(seen - mean) <= reach * spread + ROUNDING * max(1.0, seen)
    logs = np.full(len(mean), math.nan)
    if fits.any():
        kept = np.flatnonzero(fits)
        nodes = np.unique(np.linspace(kept[0], kept[-1], NODES).round().astype(int))
        values = [one.log_delta(test.path.gaps[i]) for i in nodes]
        between = np.arange(kept[0], kept[-1] + 1)
        logs[between] = np.interp(test.path.places[between], test.path.places[nodes], values)
    return _Side(seen, mean, drawn - mean[:, None], logs)


def _ratio(
    a: tuple[Predicted, list[_Side]], b: tuple[Predicted, list[_Side]], unseen: float, error: float, level: float
) -> Estimate:
    """``log(Delta_a / Delta_b)`` with an interval that fails with a chance of ``error``."""
    critical = NormalDist().inv_cdf(1.0 - 0.5 * (1.0 - SET_ASIDE) * error)
    (one, ours), (other, theirs) = a, b
    ends = [end for left, right in itertools.product(ours, theirs) for end in _kept(left, right, critical)]
    if not ends or not (one.is_shown and other.is_shown):
        # Records that nobody drew may decide, or no gaps fit both: then each leakage stands for itself.
        (least, most), (others_least, others_most) = _range(one, ours, unseen), _range(other, theirs, unseen)
        ends += [least - others_most, most - others_least]
    spread = critical * math.hypot(one.error, other.error)
    low, high = min(ends) - spread, max(ends) + spread
    first, second = one.leakage, other.leakage
    value = min(max(first.logs[0] - second.logs[0], low), high)
    return Estimate(value, low, high, first.delta.n, "paired draws, gaps inverted", level)


def _range(one: Predicted, sides: list[_Side], unseen: float) -> tuple[float, float]:
    """The smallest and the largest ``log Delta_n`` of one quantizer that fit what was seen of it."""
    logs = np.concatenate([*(side.logs[np.isfinite(side.logs)] for side in sides), one.leakage.logs[1:]])
    return float(logs.min()), max(float(logs.max()), -math.inf if one.is_shown else unseen)


def _kept(a: _Side, b: _Side, critical: float) -> list[float]:
    """The smallest and the largest ratio under which the seen difference is no surprise; empty where all surprise."""
    spread = np.sqrt(
        np.maximum(
            (a.errors**2).mean(axis=1)[:, None]
            + (b.errors**2).mean(axis=1)
            - 2.0 * a.errors @ b.errors.T / a.errors.shape[1],
            0.0,
        )
    )
    off = (a.seen - b.seen) - (a.mean[:, None] - b.mean)
    rounding = ROUNDING * max(1.0, a.seen, b.seen)
    surprise = np.where(np.abs(off) <= rounding, 0.0, off / np.maximum(spread, rounding / IMPOSSIBLE))
    surprise = np.clip(surprise, -IMPOSSIBLE, IMPOSSIBLE)
    ratios = a.logs[:, None] - b.logs
    ends = [_between(surprise, ratios, critical), _between(surprise.T, ratios.T, critical)]
    found = np.concatenate(ends)
    return [float(found.min()), float(found.max())] if len(found) else []


def _between(surprise: FloatArray, ratios: FloatArray, critical: float) -> FloatArray:
    """Ratios at the ends of the parts of all steps along the first axis on which the surprise is within its limits."""
    begin, change = surprise[:-1], np.diff(surprise, axis=0)
    steps = np.diff(ratios, axis=0)
    flat = change == 0.0
    divisor = np.where(flat, 1.0, change)
    places = np.stack([(-critical - begin) / divisor, (critical - begin) / divisor])
    inside = np.abs(begin) <= critical
    first = np.where(flat, np.where(inside, 0.0, 2.0), places.min(axis=0))
    last = np.where(flat, np.where(inside, 1.0, -2.0), places.max(axis=0))
    first, last = np.maximum(first, 0.0), np.minimum(last, 1.0)
    kept = (first <= last) & np.isfinite(steps)
    return np.concatenate([(ratios[:-1] + share * steps)[kept] for share in (first, last)])


def _turned(ratio: Estimate) -> Estimate:
    return Estimate(0.0 - ratio.value, -ratio.high, -ratio.low, ratio.n, ratio.method, ratio.level)
