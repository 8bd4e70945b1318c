"""Calibration under no leakage: the share of AUC intervals that miss 0.5, compared with label permutations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from harness.errors import InputError
from harness.results import NullSummary, PooledNull
from harness.stats._checks import as_design_effect, as_level, as_membership, as_scores
from harness.stats._intervals import two_sided_z
from harness.stats._placements import PlacementLaw, Pooled, Side, tied_share

__all__ = ["NullCalibration", "null_calibration", "pool_null"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# Elements worked on at a time: permutations x records that stay in a core's cache.
CHUNK = 1 << 16
# Sums of squares of rates lose this much to rounding; a variance below it is zero.
ZERO_VARIANCE = 1e-13
# Statistics are compared to this many decimals: equal ones may differ in the last bits.
DECIMALS = 9
# Draws of the pooled null distribution; its p-value is then known to 1 in 10000.
POOL_DRAWS = 10_000


@dataclass(frozen=True, eq=False)
class NullCalibration:
    """A family of attacks on the same records, compared with shuffled membership.

    Args:
        names: the attacks.
        n_members: number of members.
        n_nonmembers: number of non-members.
        level: nominal coverage of the pointwise intervals, and of the simultaneous ones.
        z: test statistic of each attack's AUC against 0.5, ``[attacks]``: the interval of any level holds 0.5 exactly
            where ``abs(z)`` does not exceed that level's normal quantile.
        null_misses: number of pointwise intervals that miss 0.5 under each permutation, ``[permutations]``.
        null_max_z: largest ``abs(z)`` over the attacks under each permutation, ``[permutations]``.
    """

    names: tuple[str, ...]
    n_members: int
    n_nonmembers: int
    level: float
    z: FloatArray
    null_misses: IntArray
    null_max_z: FloatArray

    @property
    def tests(self) -> int:
        """Number of attacks."""
        return len(self.names)

    @property
    def permutations(self) -> int:
        """Number of permutations."""
        return len(self.null_misses)

    @property
    def missing(self) -> tuple[str, ...]:
        """The attacks whose pointwise interval misses 0.5."""
        cut = two_sided_z(self.level)
        return tuple(name for name, z in zip(self.names, self.z, strict=True) if abs(z) > cut)

    @property
    def misses(self) -> int:
        """Number of pointwise intervals that miss 0.5."""
        return len(self.missing)

    @property
    def miss_share(self) -> float:
        """Share of pointwise intervals that miss 0.5; about ``1 - level`` where nothing leaks."""
        return self.misses / self.tests

    @property
    def null_share(self) -> float:
        """Mean share of misses over the permutations: the expected share on data of this size without leakage."""
        return float(self.null_misses.mean()) / self.tests

    @property
    def null_quantile(self) -> float:
        """Share of misses that permutations exceed with probability ``1 - level`` at most.

        Attacks on the same records miss together, so this lies far above ``1 - level``.
        """
        return _upper_quantile(self.null_misses.astype(np.float64), self.level) / self.tests

    @property
    def p_value(self) -> float:
        """Probability of this many misses or more where membership is shuffled."""
        return _p_value(self.null_misses, self.misses)

    @property
    def max_z(self) -> float:
        """Largest ``abs(z)`` over the attacks."""
        return float(np.abs(self.z).max())

    @property
    def max_z_p_value(self) -> float:
        """Family-wise p-value of the strongest attack."""
        return _p_value(self.null_max_z, self.max_z)

    @property
    def critical_z(self) -> float:
        """Normal quantile that all attacks' intervals must use to hold 0.5 together with probability ``level``."""
        return _upper_quantile(self.null_max_z, self.level)

    @property
    def simultaneous_level(self) -> float:
        """The level to pass to :func:`auc` so that all intervals hold together with probability ``level``."""
        return float(1.0 - 2.0 * ndtr(-self.critical_z))

    @property
    def holds(self) -> bool:
        """Whether every attack's simultaneous interval holds 0.5."""
        return self.max_z <= self.critical_z

    def summary(self) -> NullSummary:
        """The figures without the permutations themselves."""
        return NullSummary(
            attacks=self.tests,
            n_members=self.n_members,
            n_nonmembers=self.n_nonmembers,
            level=self.level,
            permutations=self.permutations,
            missing=self.missing,
            miss_share=self.miss_share,
            null_share=self.null_share,
            null_quantile=self.null_quantile,
            p_value=self.p_value,
            max_z=self.max_z,
            critical_z=self.critical_z,
            max_z_p_value=self.max_z_p_value,
            holds=self.holds,
        )

    def to_json(self) -> dict[str, object]:
        """A JSON object of the summary, without the permutations."""
        return self.summary().to_json()


def null_calibration(
    scores: Mapping[str, ArrayLike],
    membership: ArrayLike,
    *,
    permutations: int = 500,
    level: float = 0.95,
    seed: int = 0,
    design_effects: Mapping[str, float] | None = None,
) -> NullCalibration:
    """Compare the attacks' AUC intervals with those of the same scores under shuffled membership.

    The permutations keep the scores, and therefore the correlation of attacks on the same records, which miss together.
    Valid on its own for scores that were made without these records' membership (attacks trained on shadows). Those of
    attacks cross-fitted over the membership itself spread wider than their permutations, which keep the scores: their
    design effect says how much.

    Westfall & Young, Resampling-Based Multiple Testing, 1993 (the simultaneous critical value).

    Args:
        scores: attack -> scores of the same records, ``[n]``.
        membership: 1 for members, 0 for non-members, ``[n]``.
        permutations: number of shuffles; at least ``1 / (1 - level)``.
        level: nominal coverage of the intervals.
        seed: the same seed gives the same answer.
        design_effects: attack -> how many times larger the variance of its AUC is than that of independent records,
            see :func:`auc`; 1 where an attack is not named. It counts for the membership itself alone.

    Raises:
        InputError: no attack, unusable arrays (the attack is named), too few permutations for the level, or a design
            effect that is unusable or of an attack that has no scores.
    """
    level = as_level(level)
    if not scores:
        raise InputError("scores: there is no attack", hint="give the scores of at least one attack")
    if (permutations + 1) * (1.0 - level) < 1.0 - 1e-9:
        raise InputError(
            f"permutations: {permutations}; a level of {level} needs at least {math.ceil(1 / (1 - level))}"
        )
    arrays = {name: as_scores(values, name=f"scores/{name}") for name, values in scores.items()}
    first = next(iter(arrays.values()))
    for name, values in arrays.items():
        if len(values) != len(first):
            raise InputError(f"scores/{name}: {len(values)} entries, the other attacks have {len(first)}")
    member = as_membership(membership, len(first))
    m = int(member.sum())
    effects = _effects(design_effects or {}, arrays)
    rng = np.random.default_rng(seed)
    shuffled = rng.permuted(np.broadcast_to(member, (permutations, len(member))), axis=1)
    # The membership itself is one more row: computed any other way, an equal statistic would differ in the last bits.
    rows = np.concatenate((member[None], shuffled))
    misses, largest = np.zeros(permutations, dtype=np.int64), np.zeros(permutations)
    observed, cut = [], two_sided_z(level)
    for name, values in arrays.items():
        z = _pivots(values, rows, effects[name])
        observed.append(z[0])
        null = np.abs(z[1:])
        misses += null > cut
        np.maximum(largest, null, out=largest)
    return NullCalibration(
        names=tuple(arrays),
        n_members=m,
        n_nonmembers=len(member) - m,
        level=level,
        z=np.array(observed),
        null_misses=misses,
        null_max_z=largest,
    )


def pool_null(calibrations: Sequence[NullCalibration], *, seed: int = 0) -> PooledNull:
    """Pool the misses of several independent audits and compare them with chance.

    The null distribution adds up one permutation of each audit, chosen independently: permutations of one index
    would be the same shuffle in audits of one seed. The audits must be of different target models.

    Args:
        calibrations: one per audit; all of one level.
        seed: the same seed gives the same answer.

    Raises:
        InputError: there are none, or their levels differ.
    """
    if not calibrations:
        raise InputError("calibrations: there are none", hint="give the calibration of at least one audit")
    level = calibrations[0].level
    if any(c.level != level for c in calibrations):
        raise InputError("calibrations: their levels differ", hint="calibrate all audits at one level")
    rng = np.random.default_rng(seed)
    null = np.zeros(POOL_DRAWS, dtype=np.int64)
    for c in calibrations:
        null += rng.choice(c.null_misses, size=POOL_DRAWS)
    tests, misses = sum(c.tests for c in calibrations), sum(c.misses for c in calibrations)
    return PooledNull(
        audits=len(calibrations),
        tests=tests,
        misses=misses,
        level=level,
        null_share=float(null.mean()) / tests,
        null_quantile=_upper_quantile(null.astype(np.float64), level) / tests,
        p_value=_p_value(null, misses),
    )


def _effects(given: Mapping[str, float], attacks: Mapping[str, FloatArray]) -> dict[str, float]:
    """The design effect of every attack."""
    for name in given:
        if name not in attacks:
            raise InputError(f"design_effects/{name}: no attack of that name", hint=f"there are {', '.join(attacks)}")
    return {name: as_design_effect(given.get(name, 1.0)) for name in attacks}


def _pivots(scores: FloatArray, rows: BoolArray, design_effect: float = 1.0) -> FloatArray:
    """The z of one attack under every membership, ``[rows]``; the design effect counts for the first row alone.

    It is the normal quantile of the level at which the interval of :func:`auc` touches 0.5.
    """
    m = int(np.count_nonzero(rows[0]))
    n = len(scores) - m
    order = np.argsort(scores)
    ranked = scores[order]
    starts = np.concatenate(([0], np.flatnonzero(ranked[1:] != ranked[:-1]) + 1))
    sizes = np.diff(np.append(starts, len(ranked))).astype(np.float64)
    parts = []
    step = max(1, CHUNK // len(scores))
    for at in range(0, len(rows), step):
        members = rows[at : at + step][:, order].astype(np.float64)
        if len(starts) < len(ranked):
            members = np.add.reduceat(members, starts, axis=1)
        parts.append(_moments(members, sizes, starts.astype(np.float64), m, n))
    effects = np.ones(len(rows))
    effects[0] = design_effect
    return np.round(_z(np.concatenate(parts, axis=1), sizes, m, n, effects), DECIMALS)


def _moments(members: FloatArray, sizes: FloatArray, starts: FloatArray, m: int, n: int) -> FloatArray:
    """Of every row of member counts: AUC, both sides' variances, members tied lowest and highest, ``[5, rows]``.

    The columns are groups of ties in ascending order. The same placement values as :func:`delong`, for many
    memberships of the same scores at once. Twice the counts and sums of their squares are whole numbers, so that equal
    memberships give equal bits.
    """
    nonmembers = sizes - members
    above = 2.0 * (m - np.cumsum(members, axis=1)) + members  # twice the members above a non-member of the group
    below = 2.0 * (starts - m) + above + sizes  # twice the non-members below a member of the group
    value = np.einsum("ij,ij->i", members, below) / (2.0 * m * n)
    s10 = _variance(np.einsum("ij,ij,ij->i", members, below, below) / (4.0 * m * n**2), value, m)
    s01 = _variance(np.einsum("ij,ij,ij->i", nonmembers, above, above) / (4.0 * n * m**2), value, n)
    return np.stack((value, s10, s01, members[:, 0], members[:, -1]))


def _variance(square: FloatArray, mean: FloatArray, records: int) -> FloatArray:
    """Sample variance from the mean of squares."""
    variance = square - mean**2
    return np.where(variance < ZERO_VARIANCE, 0.0, variance) * (records / max(1, records - 1))


def _z(moments: FloatArray, sizes: FloatArray, m: int, n: int, design_effects: FloatArray) -> FloatArray:
    """The z at which the interval of :func:`auc` touches 0.5, for all kinds of interval, ``[rows]``."""
    value, s10, s01, lowest, highest = moments
    z = np.zeros(len(value))
    if min(m, n) >= 2 and len(sizes) > 1:
        pooled = Pooled.of_ties(sizes)
        of_members = Side(m, s10, tied_share(sizes[0] - lowest, n), 1.0 - tied_share(sizes[-1] - highest, n), pooled)
        of_nonmembers = Side(n, s01, tied_share(highest, m), 1.0 - tied_share(lowest, m), pooled.mirrored)
        z = PlacementLaw(value, (of_members, of_nonmembers), design_effects).z(pooled.centre)
    # Perfect separation: the bound from disjoint pairs touches 0.5 where alpha / 2 is 0.5 to the power of the pairs.
    bound = -ndtri(0.5 ** (min(m, n) / design_effects))
    return np.where(value == 1.0, bound, np.where(value == 0.0, -bound, z))


def _p_value(null: FloatArray | IntArray, observed: float) -> float:
    """Share of the null at or above the observed value, which itself counts as one draw: never zero."""
    return float((1 + np.count_nonzero(null >= observed)) / (1 + len(null)))


def _upper_quantile(null: FloatArray, level: float) -> float:
    """The order statistic that a further draw exceeds with probability ``1 - level`` at most."""
    rank = min(len(null), math.ceil(level * (len(null) + 1) - 1e-9))
    return float(np.sort(null)[rank - 1])
