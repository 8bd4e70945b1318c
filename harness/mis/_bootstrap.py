"""Intervals, differences and ranks of all quantizers under the same resamples of the records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.errors import InputError
from harness.mis._differences import difference, moved, rank_shares
from harness.mis._indicator import DEFAULT_SPLITS, Indicator, check_splits, finite_or_inf, probe_of
from harness.mis._matrix import checked
from harness.mis._rivals import Rivals, Smallest, rivals_of
from harness.mis._units import Resamples, Units, resamples, split_masks, units_of
from harness.stats import Estimate
from harness.types import Array, FloatArray

__all__ = ["FEW", "Bootstrap", "Judged", "bootstrap_ci", "bootstrap_of", "checked_all", "checked_resamples", "streams"]

# Fewer resamples leave the 2.5% point of an interval to a handful of them.
MIN_DRAWS = 100
# Fewer independent records certify no gap: one record in ten that nobody drew could close it.
FEW = 30


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Intervals, differences and ranks of several quantizers, from the same resamples of the evaluation records.

    Args:
        intervals: quantizer -> ``r`` with its interval; an unprobed one (see ``Judged``) is not resolvable.
        differences: ``(a, b)`` -> ``r_a - r_b`` with a paired interval, both orders, probed quantizers only.
        ranks: quantizer -> chance of being the safest, second safest, ... of the probed ones; empty if unprobed.
            Fewer than 30 independent records give neither.
    """

    intervals: Mapping[str, Estimate]
    differences: Mapping[tuple[str, str], Estimate]
    ranks: Mapping[str, tuple[float, ...]]


def bootstrap_ci(
    losses: Mapping[str, Array],
    *,
    method: str = "gauss",
    draws: int = 1000,
    level: float = 0.95,
    splits: int = DEFAULT_SPLITS,
    seed: int = 0,
    strata: Array | None = None,
    clusters: Array | None = None,
) -> Bootstrap:
    """Intervals of ``r_Q`` for several quantizers at once; arguments as :func:`harness.mis.estimate`."""
    matrices, units = checked_all(losses, strata=strata, clusters=clusters)
    split_rng, draw_rng, _ = streams(seed)
    masks = split_masks(units, check_splits(splits), split_rng)
    drawn = checked_resamples(units, draws, level, draw_rng)
    judged: dict[str, Judged] = {}
    for name, matrix in matrices.items():
        probe = probe_of(matrix, masks, method=method, units=units)
        rivals = None if probe.fit is None else rivals_of(probe.rows, drawn, method=method, units=units)
        judged[name] = Judged(probe.indicator, rivals)
    return bootstrap_of(judged, method=method, level=level, units=units)


def checked_all(
    losses: Mapping[str, Array], *, strata: Array | None, clusters: Array | None
) -> tuple[dict[str, FloatArray], Units]:
    """Check that the matrices can be compared; return them and the units of their records.

    Raises:
        InputError: there is no quantizer, a matrix cannot be used, or their numbers of records differ.
    """
    if not losses:
        raise InputError("losses: there is no quantizer", hint="give one matrix [candidates, records] a quantizer")
    matrices = {name: checked(matrix, name=f"losses/{name}") for name, matrix in losses.items()}
    first, n = next((name, m.shape[1]) for name, m in matrices.items())
    for name, matrix in matrices.items():
        if matrix.shape[1] != n:
            raise InputError(
                f"losses/{name}: {matrix.shape[1]} records where losses/{first} has {n}",
                hint="all quantizers are compared on the same evaluation records, in the same order",
            )
    return matrices, units_of(n, strata=strata, clusters=clusters)


def streams(seed: int) -> tuple[np.random.Generator, np.random.Generator, int]:
    """Independent generators for the splits and the resamples, and a seed for the predicted leakage."""
    split, draw, local = np.random.SeedSequence(seed).spawn(3)
    return np.random.default_rng(split), np.random.default_rng(draw), int(local.generate_state(1)[0])


def checked_resamples(units: Units, draws: int, level: float, rng: np.random.Generator) -> Resamples:
    """The resamples that all quantizers share; InputError where draws or level make no interval."""
    if draws < MIN_DRAWS:
        raise InputError(f"draws={draws}: an interval needs at least {MIN_DRAWS}")
    if not 0 < level < 1:
        raise InputError(f"level={level} is outside (0, 1)")
    return resamples(units, draws, rng)


@dataclass(frozen=True, eq=False)
class Judged:
    """A quantizer's point estimate and its rivals; None where nothing was probed."""

    indicator: Indicator
    rivals: Rivals | None


def bootstrap_of(judged: Mapping[str, Judged], *, method: str, level: float, units: Units) -> Bootstrap:
    """Intervals, differences and ranks from rivals that saw the same resamples."""
    label = f"{method}, all rivals at once"
    probed = {
        name: (one.indicator, one.rivals.smallest(level), one.rivals)
        for name, one in judged.items()
        if one.rivals is not None
    }
    intervals = {
        name: _interval(*probed[name], level, label)
        if name in probed
        # A quantizer that was not probed must pass no gate: its interval holds every value.
        else Estimate(np.inf, 0.0, np.inf, units.count, label, level=level, resolvable=False)
        for name in judged
    }
    # Few records order nothing either.
    compared = probed if units.count >= FEW else {}
    sides = {name: (intervals[name].value, smallest, rivals) for name, (_, smallest, rivals) in compared.items()}
    differences = {
        (a, b): difference(sides[a], sides[b], level=level, label=label) for a in sides for b in sides if a != b
    }
    ranks: dict[str, tuple[float, ...]] = dict.fromkeys(judged, ())
    if sides:
        roots: FloatArray = np.stack([moved(smallest, rivals, level) for _, smallest, rivals in sides.values()])
        shares = rank_shares(roots)
        ranks |= {name: tuple(map(float, row)) for name, row in zip(sides, shares, strict=True)}
    return Bootstrap(intervals, differences, ranks)


def _interval(point: Indicator, smallest: Smallest, rivals: Rivals, level: float, label: str) -> Estimate:
    """The roots' interval, squared: symmetric about the truth where squares are not."""
    low, high = (finite_or_inf(0.5 * max(root, 0.0) ** 2) for root in (smallest.low, smallest.high))
    if rivals.units < FEW:
        low = 0.0
    # A best candidate that is not the best on fresh records leaves a tie.
    is_tie = point.status in ("tie", "ref_not_minimiser")
    value = 0.0 if is_tie else finite_or_inf(0.5 * max(smallest.middle, 0.0) ** 2 - rivals.bias)
    return Estimate(min(max(value, low), high), low, high, rivals.units, label, level=level)
