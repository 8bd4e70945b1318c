"""The indicator r_Q of one quantizer: a debiased point estimate, and the smallest value that the records resolve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.mis._chernoff import chernoff
from harness.mis._crossfit import CrossFit, contenders, cross_fit
from harness.mis._matrix import checked, groups_of
from harness.mis._pairs import SNR_LIMIT, PairStats, pair_stats
from harness.mis._statistic import METHODS
from harness.mis._units import Units, split_masks, units_of
from harness.types import Array, FloatArray

__all__ = ["DEFAULT_SPLITS", "TIE_CHI2", "Indicator", "Probe", "finite_or_inf", "floor_of", "indicator", "probe_of"]

# Two-fold estimates differ between splits; the median of twenty moves little from seed to seed.
DEFAULT_SPLITS = 20
# Half of 1.96 squared: a gap of fewer than 1.96 standard errors is not distinguishable from a tie.
TIE_CHI2 = 1.92
# A signal-to-noise ratio this small is an exact tie, but for rounding.
TIE_SNR = 1e-10


@dataclass(frozen=True)
class Indicator:
    """Exponent of leakage of one quantizer, nats per training record; larger is safer.

    Args:
        r: debiased cross-fitted minimum over rivals, not clipped at zero; infinite where nothing was probed. Unbiased
            where rivals are about equally close, too high where one close rival hides among many farther ones:
            :func:`harness.mis.estimate` gives a value and an interval that allow for both.
        r_naive: plug-in minimum on all records, biased down by the choice of the closest rival.
        r_floor: below this the records cannot distinguish r from a tie.
        ref: candidate of the smallest mean loss, in the numbering of the rows given.
        k_star: closest rival on all records; None where nothing was probed.
        k: candidates given.
        k_eff: distinct ones.
        status: ``ok``, ``single_candidate``, ``tie``, ``ref_not_minimiser``, ``never_beaten``, ``extrapolated`` or
            ``unresolved``; see :class:`QuantizerMis`.
    """

    r: float
    r_naive: float
    r_floor: float
    ref: int
    k_star: int | None
    k: int
    k_eff: int
    status: str


@dataclass(frozen=True, eq=False)
class Probe:
    """The contenders of one quantizer, and the pair that each split selected.

    Args:
        indicator: the point estimate.
        base: losses of the best candidate on all records.
        rows: losses of the contenders minus ``base``, the best candidate first; ``fit`` numbers these rows.
        fit: selections and held-out exponents; None where there is no rival whose loss differs from record to record.
        closest: loss differences of the closest rival on all records.
    """

    indicator: Indicator
    base: FloatArray
    rows: FloatArray
    fit: CrossFit | None
    closest: FloatArray


def indicator(
    losses: Array,
    *,
    method: str = "gauss",
    splits: int = DEFAULT_SPLITS,
    seed: int = 0,
    strata: Array | None = None,
    clusters: Array | None = None,
) -> Indicator:
    """Estimate ``r_Q = min_k I_k`` of one quantizer from losses of its candidates on held-out records. Derived.

    ``gauss``: ``I_k = delta_k^2 / (2 sigma_k^2)``, from the mean and the spread of the paired loss differences between
    rival k and the best candidate; ``chernoff``: the exact exponent. ``1 - MIS_n ~ exp(-n r_Q)``.

    Args:
        losses: ``[K, N]``, N records that were used neither for training nor for calibration.
        method: ``gauss`` or ``chernoff``.
        splits: random two-fold splits, of which the median is taken.
        seed: the same seed gives the same bits.
        strata: stratum of each record ``[N]``, balanced in the splits.
        clusters: source item of each record ``[N]``, never divided by a split.

    Raises:
        InputError: the matrix, the method or the number of splits cannot be used.
    """
    matrix = checked(losses)
    units = units_of(matrix.shape[1], strata=strata, clusters=clusters)
    masks = split_masks(units, check_splits(splits), np.random.default_rng(seed))
    return probe_of(matrix, masks, method=method, units=units).indicator


def check_splits(splits: int) -> int:
    """Check the number of splits; InputError below one."""
    if splits < 1:
        raise InputError(f"splits={splits}: at least one is needed")
    return splits


def floor_of(units: Units) -> float:
    """The smallest exponent that the records can distinguish from a tie."""
    return TIE_CHI2 / units.count


def finite_or_inf(r: float) -> float:
    """Infinity for an exponent that means "never selected", in both folds or in one of the two."""
    return float("inf") if r >= SNR_LIMIT**2 / 16.0 else r


def probe_of(matrix: FloatArray, masks: NDArray[np.bool_], *, method: str, units: Units) -> Probe:
    """Deduplicate, screen and cross-fit the candidates of one checked matrix."""
    if method not in METHODS:
        raise InputError(f"method={method!r} is unknown", hint=f"one of {', '.join(METHODS)}")
    firsts = np.array([g[0] for g in groups_of(matrix)])
    distinct = matrix if len(firsts) == len(matrix) else matrix[firsts]
    stats = pair_stats(distinct)
    chosen = contenders(stats)
    base = np.asarray(distinct[stats.ref], dtype=np.float64)
    rows = np.empty((len(chosen), matrix.shape[1]))
    for row, candidate in zip(rows, chosen, strict=True):
        np.subtract(distinct[candidate], base, out=row)  # removes what a record adds to all candidates alike
    floor, k = floor_of(units), len(matrix)
    ref = int(firsts[stats.ref])
    if len(firsts) == 1:
        single = Indicator(np.inf, np.inf, floor, ref, None, k, 1, "single_candidate")
        return Probe(single, base, rows, None, np.zeros(matrix.shape[1]))
    if (stats.snr == SNR_LIMIT).all():
        # Every rival is worse by a constant: no record says anything about what another training would choose.
        constant = Indicator(np.inf, np.inf, floor, ref, None, k, len(firsts), "never_beaten")
        return Probe(constant, base, rows, None, np.zeros(matrix.shape[1]))
    fit = cross_fit(rows, masks, method=method, units=units)
    near = int(stats.idx[np.argmin(stats.snr)])
    closest = distinct[near] - base
    naive = (
        float(0.5 * np.maximum(stats.snr.min(), 0.0) ** 2)
        if method == "gauss"
        else min(chernoff(row).exponent for row in rows[1:])
    )
    point = Indicator(
        r=finite_or_inf(fit.r),
        r_naive=finite_or_inf(naive),
        r_floor=floor,
        ref=ref,
        k_star=int(firsts[near]),
        k=k,
        k_eff=len(firsts),
        status=_status(stats, fit, closest, floor),
    )
    return Probe(point, base, rows, fit, closest)


def _status(stats: PairStats, fit: CrossFit, closest: FloatArray, floor: float) -> str:
    """The status: reasons that make the number meaningless come before those that make it imprecise."""
    tied = (np.abs(stats.snr) <= TIE_SNR) & (stats.sigma > 0)
    if tied.any():
        return "tie"
    if fit.signed_root <= 0:
        return "ref_not_minimiser"
    if fit.r < floor:
        return "unresolved"
    tilt = chernoff(closest)
    return tilt.status if tilt.status in ("never_beaten", "extrapolated") else "ok"
