"""Intervals, differences and ranks of all quantizers under the same resamples of the records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.mis._indicator import DEFAULT_SPLITS, Probe, check_splits, finite_or_inf, probe_of
from harness.mis._matrix import checked
from harness.mis._statistic import resampled_roots
from harness.mis._units import Units, resamples, split_masks, units_of
from harness.stats import Estimate
from harness.types import Array, FloatArray

__all__ = ["Bootstrap", "bootstrap_ci", "bootstrap_of", "rank_shares", "streams"]

# Fewer resamples leave the 2.5% point of an interval to a handful of them.
MIN_DRAWS = 100
# Resampled roots that agree to this are one value: equal pairs of candidates in two quantizers tie exactly.
TIE_TOL = 1e-9


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Intervals, differences and ranks of several quantizers, from the same resamples of the evaluation records.

    Args:
        intervals: quantizer -> ``r`` with its interval; an unprobed one (a single candidate) is not resolvable.
        differences: ``(a, b)`` -> ``r_a - r_b`` with a paired interval, both orders, probed quantizers only.
        ranks: quantizer -> chance of being the safest, second safest, ... of the probed ones; empty if unprobed.
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
    probes = {name: probe_of(m, masks, method=method, units=units) for name, m in matrices.items()}
    return bootstrap_of(probes, masks, method=method, draws=draws, level=level, units=units, rng=draw_rng)


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
    """Independent generators for the splits and the resamples, and a seed for the local limit."""
    split, draw, local = np.random.SeedSequence(seed).spawn(3)
    return np.random.default_rng(split), np.random.default_rng(draw), int(local.generate_state(1)[0])


def bootstrap_of(
    probes: Mapping[str, Probe],
    masks: NDArray[np.bool_],
    *,
    method: str,
    draws: int,
    level: float,
    units: Units,
    rng: np.random.Generator,
) -> Bootstrap:
    """Intervals, differences and ranks from cross-fitted probes and one set of resamples."""
    if draws < MIN_DRAWS:
        raise InputError(f"draws={draws}: an interval needs at least {MIN_DRAWS}")
    if not 0 < level < 1:
        raise InputError(f"level={level} is outside (0, 1)")
    probed = {name: p for name, p in probes.items() if p.fit is not None}
    roots = _roots(probed, masks, method=method, counts=resamples(units, draws, rng)) if probed else {}
    label = f"{method}-crossfit-bootstrap"
    intervals = {
        name: _interval(p.indicator.r, roots[name], units.count, level, label)
        if name in roots
        # A quantizer that was not probed must pass no gate: its interval holds every value.
        else Estimate(np.inf, 0.0, np.inf, units.count, label, level=level, resolvable=False)
        for name, p in probes.items()
    }
    differences = {
        (a, b): _difference(intervals[a].value, intervals[b].value, roots[a], roots[b], units.count, level, label)
        for a in roots
        for b in roots
        if a != b
    }
    ranks: dict[str, tuple[float, ...]] = dict.fromkeys(probes, ())
    if roots:
        shares = rank_shares(np.stack(list(roots.values())))
        ranks |= {name: tuple(map(float, row)) for name, row in zip(roots, shares, strict=True)}
    return Bootstrap(intervals, differences, ranks)


def _roots(
    probes: Mapping[str, Probe], masks: NDArray[np.bool_], *, method: str, counts: NDArray[np.uint8]
) -> dict[str, FloatArray]:
    """Signed root of every resample, mean of the two folds of one split; resample b uses split ``b mod splits``.

    So the spread of the roots includes both the records' noise and that of the rival's selection.
    """
    draws, splits = len(counts), len(masks)
    out = {name: np.zeros(draws) for name in probes}
    for j in range(min(splits, draws)):
        split_counts = counts[j::splits]
        for fold, measured in enumerate((~masks[j], masks[j])):
            columns = np.flatnonzero(measured)
            weights = split_counts[:, columns].astype(np.float64)
            for name, probe in probes.items():
                fit = probe.fit
                if fit is None:
                    continue
                x = probe.rows[fit.rival[j, fold], columns] - probe.rows[fit.ref[j, fold], columns]
                out[name][j::splits] += 0.5 * resampled_roots(x, weights, method=method)
    return out


def _interval(r: float, roots: FloatArray, n: int, level: float, label: str) -> Estimate:
    """Percentiles of the signed roots, then squared: symmetric about the truth where squares are not."""
    tail = 0.5 * (1.0 - level)
    low, high = (finite_or_inf(0.5 * max(float(q), 0.0) ** 2) for q in np.quantile(roots, (tail, 1.0 - tail)))
    value = max(r, 0.0)
    return Estimate(value, min(low, value), max(high, value), n, label, level=level)


def _difference(r_a: float, r_b: float, a: FloatArray, b: FloatArray, n: int, level: float, label: str) -> Estimate:
    value = 0.0 if r_a == r_b else r_a - r_b  # the difference of two infinities is zero, not NaN
    resampled = 0.5 * np.maximum(a, 0.0) ** 2 - 0.5 * np.maximum(b, 0.0) ** 2
    tail = 0.5 * (1.0 - level)
    low, high = (_signed_inf(float(q)) for q in np.quantile(resampled, (tail, 1.0 - tail)))
    return Estimate(value, min(low, value), max(high, value), n, label, level=level)


def _signed_inf(x: float) -> float:
    return finite_or_inf(x) if x >= 0 else -finite_or_inf(-x)


def rank_shares(roots: FloatArray) -> FloatArray:
    """``roots [Q, draws]`` to ``[Q, Q]``: how often each quantizer holds each rank, the largest root first.

    Quantizers that tie in a resample share the ranks they hold together.
    """
    q, draws = roots.shape
    # Rounding differs with the order of a sum, so values that agree up to TIE_TOL count as tied.
    scale = np.maximum(np.abs(roots), 1.0)
    shares = np.zeros((q, q))
    for i in range(q):
        gap = (roots - roots[i]) / np.maximum(scale, scale[i])
        above = (gap > TIE_TOL).sum(axis=0)
        equal = (np.abs(gap) <= TIE_TOL).sum(axis=0)
        for rank in range(q):
            holds_rank = (above <= rank) & (rank < above + equal)
            shares[i, rank] = (holds_rank / equal).sum() / draws
    return shares
