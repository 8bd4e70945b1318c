"""The MIS indicators of several quantizers, with intervals and ranks, from the losses of their candidates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.mis._bootstrap import Bootstrap, Judged, bootstrap_of, checked_all, checked_resamples, streams
from harness.mis._compared import leakages
from harness.mis._crossfit import measured
from harness.mis._indicator import DEFAULT_SPLITS, Indicator, Probe, check_splits, finite_or_inf, probe_of
from harness.mis._rivals import rivals_of
from harness.mis._statistic import fold_value
from harness.mis._units import Resamples, Units, split_masks
from harness.results import Comparison, Leakage, QuantizerMis, regime_of
from harness.types import Array, Estimate, FloatArray

__all__ = ["estimate"]

# Two-sided 5% point of a standard normal.
SIGNIFICANT = 1.96
# The exact exponent below this share of the Gaussian one means that the latter overstates security.
OPTIMISTIC_SHARE = 0.8
# The largest of N Gaussian squares is about 2 log N / N of their sum; a tenth is far outside from 100 records on.
HEAVY_SHARE, HEAVY_MIN_N = 0.1, 100


@dataclass(frozen=True, eq=False)
class _Draft:
    """The part of a quantizer's result that needs its whole loss matrix."""

    judged: Judged
    r_chernoff: float
    flags: tuple[str, ...]


def estimate(
    losses: Mapping[str, Array],
    *,
    n: int,
    method: str = "gauss",
    draws: int = 1000,
    level: float = 0.95,
    splits: int = DEFAULT_SPLITS,
    seed: int = 0,
    strata: Array | None = None,
    clusters: Array | None = None,
    deployed: Mapping[str, int] | None = None,
) -> tuple[QuantizerMis, ...]:
    """Estimate the MIS indicator of several quantizers on the same records, with paired intervals and ranks.

    Derived here, consistent with the indicator of arXiv 2502.06567 (AISTATS 2026), whose formulas are not quoted.
    Compare only at the same n, records, loss, candidate budget and seeds.

    Args:
        losses: quantizer -> ``[K, N]``: loss of each of its candidates on N records that were used neither for training
            nor for calibration; float32 or float64, the same N and order for all. Fewer than 30 give statuses, no
            figures.
        n: training-set size that ``r`` is read against, at least 2.
        method: ``gauss`` (default) or ``chernoff``, the exact exponent; slower, better where gaps are large and skewed.
        draws: bootstrap resamples of the records, the same for all quantizers.
        level: coverage of the intervals. Simulated: 0.93 to 0.98; up to 1 where one close rival hides among many
            farther ones, because nobody can tell them from many equal ones.
        splits: random halvings of the records, by which the choice of the best candidate is tested.
        seed: the same seed gives the same bits.
        strata: e.g. classes of the records ``[N]``; resamples keep their sizes.
        clusters: e.g. source items of the records ``[N]``; drawn and split as one.
        deployed: quantizer -> row of the candidate that ships, to be tested against the best one.

    Returns:
        One result a quantizer, in the order given.

    Raises:
        InputError: nothing to estimate, NaN or infinity, too few records, shapes that disagree (the key is named), or
            an option out of range.
    """
    if n < 2:
        raise InputError(f"n={n}: the training set needs at least 2 records")
    matrices, units = checked_all(losses, strata=strata, clusters=clusters)
    shipped = _checked_deployed(deployed or {}, matrices)
    split_rng, draw_rng, leakage_seed = streams(seed)
    masks = split_masks(units, check_splits(splits), split_rng)
    drawn = checked_resamples(units, draws, level, draw_rng)
    drafts = {
        name: _draft(matrix, masks, drawn, method=method, units=units, deployed=shipped.get(name))
        for name, matrix in matrices.items()
    }
    sampled = bootstrap_of(
        {name: draft.judged for name, draft in drafts.items()}, method=method, level=level, units=units
    )
    predicted = leakages(matrices, n=n, level=level, seed=leakage_seed, units=units)
    unequal = len({len(m) for m in matrices.values()}) > 1
    n_eval = next(iter(matrices.values())).shape[1]
    return tuple(
        _result(name, draft, sampled, predicted[name], n=n, n_eval=n_eval, method=method, unequal=unequal)
        for name, draft in drafts.items()
    )


def _checked_deployed(deployed: Mapping[str, int], matrices: Mapping[str, FloatArray]) -> Mapping[str, int]:
    for name, row in deployed.items():
        if name not in matrices:
            raise InputError(f"deployed: {name!r} is none of the quantizers", hint=f"known: {', '.join(matrices)}")
        if not 0 <= row < len(matrices[name]):
            raise InputError(f"deployed/{name}: {row} is none of its {len(matrices[name])} candidates")
    return deployed


def _draft(
    matrix: FloatArray,
    masks: NDArray[np.bool_],
    drawn: Resamples,
    *,
    method: str,
    units: Units,
    deployed: int | None,
) -> _Draft:
    probe = probe_of(matrix, masks, method=method, units=units)
    fit = probe.fit
    if fit is None:
        return _Draft(Judged(probe.indicator, None), math.inf, ())
    exact = fit
    if method != "chernoff":
        exact = measured(probe.rows, masks, fit.ref, fit.rival, method="chernoff", units=units)
    r_chernoff = finite_or_inf(max(exact.r, 0.0))
    flags = []
    if deployed is not None and _worse(matrix[deployed] - probe.base, probe, masks, units):
        flags.append("not_erm")
    squares = (probe.closest - probe.closest.mean()) ** 2
    if len(squares) >= HEAVY_MIN_N and squares.max() > HEAVY_SHARE * squares.sum():
        flags.append("heavy_tails")
    # Both cross-fitted, so that the choice of the rival is in neither or in both.
    if method == "gauss" and r_chernoff < OPTIMISTIC_SHARE * probe.indicator.r:
        flags.append("gauss_optimistic")
    rivals = rivals_of(probe.rows, drawn, method=method, units=units)
    return _Draft(Judged(probe.indicator, rivals), r_chernoff, tuple(flags))


def _worse(shipped: FloatArray, probe: Probe, masks: NDArray[np.bool_], units: Units) -> bool:
    """Whether the shipped candidate's loss significantly exceeds that of the best one, chosen on other records."""
    if probe.fit is None:
        return False
    roots = [
        np.mean(
            [
                fold_value(shipped[half] - probe.rows[probe.fit.ref[j, fold], half], method="gauss", units=1).root
                for fold, half in enumerate((~mask, mask))
            ]
        )
        for j, mask in enumerate(masks)
    ]
    return bool(np.median(roots) * math.sqrt(units.count) > SIGNIFICANT)


def _result(
    name: str,
    draft: _Draft,
    sampled: Bootstrap,
    predicted: tuple[Leakage, Mapping[str, Comparison]],
    *,
    n: int,
    n_eval: int,
    method: str,
    unequal: bool,
) -> QuantizerMis:
    point, r = draft.judged.indicator, sampled.intervals[name]
    leakage, comparisons = predicted
    regime = regime_of(n * r.value)
    flags = list(draft.flags)
    if r.resolvable and {regime_of(n * r.low), regime_of(n * r.high)} != {regime}:
        flags.append("regime_uncertain")
    if leakage.needed_records is not None:
        flags.append("few_points")
    if unequal:
        flags.append("unequal_candidates")
    return QuantizerMis(
        quantizer=name,
        n=n,
        method=method,
        r=r,
        r_naive=point.r_naive,
        r_chernoff=draft.r_chernoff,
        r_floor=point.r_floor,
        leakage=leakage,
        k=point.k,
        k_eff=point.k_eff,
        n_eval=n_eval,
        regime=regime,
        status=_status(point, r),
        flags=tuple(flags),
        rank_probabilities=sampled.ranks[name],
        differences={b: d for (a, b), d in sampled.differences.items() if a == name},
        comparisons=comparisons,
    )


def _status(point: Indicator, r: Estimate) -> str:
    """That of the point estimate, but that an interval which reaches a tie resolves nothing."""
    reaches_tie = r.resolvable and r.low == 0.0 and point.status in ("ok", "never_beaten", "extrapolated")
    return "unresolved" if reaches_tie else point.status
