"""What an adversary learns who holds a set of variants: the strongest of the attacks on it and on all of its subsets.

Whoever holds a set may ignore a part of it, so a set leaks at least as much as each of its subsets. With shadows each
set's attack is chosen on these, among all attacks on the set and on its subsets; a set's leakage is then the largest
AUC, on the audited records, among the attacks that were chosen for it and for its subsets. Without shadows nothing is
chosen: every attack on every subset counts. The intervals of all attacks that count hold at once, so the largest of
their lower ends and the largest of their upper ends enclose the leakage of every set, however many were looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness import stats
from harness.results import Simultaneous
from harness.types import Estimate, FloatArray, IntArray, TprEstimate

__all__ = ["Leakage", "Look", "measure"]

BoolArray = NDArray[np.bool_]
Progress = Callable[[str, int, int], None]

# How the chance that some interval misses is divided: AUCs, increases over the original, true-positive rates.
AUC_SHARE, INCREASE_SHARE, TPR_SHARE = 0.7, 0.15, 0.15


@dataclass(frozen=True, eq=False)
class Look:
    """One attack on one set.

    Args:
        attack: its name.
        mask: the set that it looks at.
        scores: gives the audited records' scores, ``[n]``.
        shadow_auc: AUC on the shadows; NaN without.
        design_effect: by how much cross-fitting widened the variance of its figures.
    """

    attack: str
    mask: int
    scores: Callable[[], FloatArray]
    shadow_auc: float
    design_effect: float = 1.0


@dataclass(frozen=True, eq=False)
class Leakage:
    """The leakage of sets.

    Args:
        masks: the sets, ``[S]``.
        looks: the attacks that count, ``[W]``.
        counts: whether an attack counts for a set, ``[S, W]``.
        auc: one an attack, with intervals that hold at once.
        tpr: false-positive rate -> one an attack, with intervals that hold at once.
        correction: of the AUCs.
        covariance: of the AUCs, ``[W, W]``.
        records: members and non-members.
        level: the probability with which everything holds.
        chance: that some increase's interval misses.
        seed: of the draws.
    """

    masks: tuple[int, ...]
    looks: tuple[Look, ...]
    counts: BoolArray
    auc: tuple[Estimate, ...]
    tpr: dict[float, tuple[TprEstimate, ...]]
    correction: Simultaneous
    covariance: FloatArray
    records: tuple[int, int]
    level: float
    chance: float
    seed: int

    def of(self, place: int) -> Estimate:
        """The leakage of the set at a place, as AUC."""
        return _largest([self.auc[at] for at in np.flatnonzero(self.counts[place]).tolist()], self.level)

    def tpr_of(self, place: int, fpr: float) -> Estimate:
        """The largest true-positive rate at a false-positive rate."""
        return _largest([self.tpr[fpr][at] for at in np.flatnonzero(self.counts[place]).tolist()], self.level)

    def strongest(self, place: int) -> Look:
        """The attack that does best on the audited records."""
        at = np.flatnonzero(self.counts[place])
        return self.looks[int(at[self._values[at].argmax()])]

    def increases(self, original: int, seen: BoolArray) -> list[Estimate | None]:
        """How much more the strongest attack on each set finds than the strongest on the original alone.

        Args:
            original: place of the set that is the original alone.
            seen: which attacks are looked at, ``[W]``; those on the original alone are what the others are compared
                with.

        Returns:
            One a set, the interval corrected for all sets, with both choices repeated in the bootstrap; None where
            none of the attacks on the set is looked at.
        """
        seen = seen & np.array([look.mask != self.masks[original] for look in self.looks])
        key = (original, seen.tobytes())
        if key not in self._increases:
            self._increases[key] = self._compared(original, seen)
        return self._increases[key]

    def _compared(self, original: int, seen: BoolArray) -> list[Estimate | None]:
        theirs = np.flatnonzero(self.counts[original])
        groups = [np.flatnonzero(row & seen) for row in self.counts]
        asked = [place for place, group in enumerate(groups) if len(group)]
        found = stats.strongest_differences(
            self._values,
            self.covariance,
            [(groups[place].tolist(), theirs.tolist()) for place in asked],
            n=sum(self.records),
            pairs=min(self.records),
            seed=self.seed,
        )
        corrected = 1.0 - self.chance / max(1, len(asked))
        estimates: list[Estimate | None] = [None] * len(groups)
        for place, difference in zip(asked, found, strict=True):
            estimates[place] = difference.estimate(corrected)
        return estimates

    @cached_property
    def _increases(self) -> dict[tuple[int, bytes], list[Estimate | None]]:
        return {}

    @cached_property
    def _values(self) -> FloatArray:
        return np.array([one.value for one in self.auc])


def measure(
    masks: Sequence[int],
    looks: Sequence[Look],
    membership: IntArray,
    *,
    chosen_on_shadows: bool,
    fprs: Sequence[float],
    level: float,
    seed: int,
    progress: Progress,
) -> Leakage:
    """Measure the leakage of sets.

    Args:
        masks: the sets.
        looks: attacks on them; at least one on each.
        membership: of the audited records, ``[n]``.
        chosen_on_shadows: whether the shadows choose which attacks count; else all do.
        fprs: false-positive rates at which true-positive rates are measured.
        level: nominal coverage of all intervals together.
        seed: of the draws.
        progress: called as ``progress(text, done, total)``.
    """
    held = np.array(masks, dtype=np.int64)
    seen = np.array([look.mask for look in looks], dtype=np.int64)
    counts = (seen[None, :] & ~held[:, None]) == 0
    if chosen_on_shadows:
        counts = _chosen(held, counts, looks)
    kept = np.flatnonzero(counts.any(axis=0)).tolist()
    looks, counts = [looks[at] for at in kept], counts[:, kept]
    member = membership == 1
    records = (int(member.sum()), int((~member).sum()))
    rows = stats.sample(member, seed=seed)
    placed = np.empty((len(rows), len(looks)))
    parts = {fpr: np.empty((len(rows), len(looks))) for fpr in fprs}
    for at, look in enumerate(looks):
        progress("attack", at, len(looks))
        scores, widened = look.scores(), math.sqrt(look.design_effect)
        values = stats.placements_per_record(scores, member)
        mean = float(values[member].mean())
        placed[:, at] = mean + widened * (values[rows] - mean)
        curve = stats.roc(scores, membership)
        for fpr in fprs:
            parts[fpr][:, at] = widened * stats.tpr_parts(curve, scores[rows], member[rows], fpr)
    progress("attack", len(looks), len(looks))
    chance = 1.0 - level
    covariance = stats.covariance_of(placed, member[rows], counts=records)
    correction = stats.simultaneous(covariance, records=min(records), level=1.0 - AUC_SHARE * chance, seed=seed)
    at_level = 1.0 - TPR_SHARE * chance / max(1, len(fprs))
    of_rates = {
        fpr: stats.simultaneous(
            stats.covariance_of(values, member[rows], counts=records),
            records=min(records),
            level=at_level,
            seed=seed,
        ).pointwise
        for fpr, values in parts.items()
    }
    auc: list[Estimate] = []
    tpr: dict[float, list[TprEstimate]] = {fpr: [] for fpr in fprs}
    for at, look in enumerate(looks):
        progress("intervals", at, len(looks))
        # The curves of a thousand attacks take more memory than making each twice takes time.
        curve, effect = stats.roc(look.scores(), membership), look.design_effect
        auc.append(stats.auc(curve, level=correction.pointwise, design_effect=effect))
        for fpr in fprs:
            tpr[fpr].append(stats.tpr_at_fpr(curve, fpr, level=of_rates[fpr], design_effect=effect))
    progress("intervals", len(looks), len(looks))
    return Leakage(
        tuple(masks),
        tuple(looks),
        counts,
        tuple(auc),
        {fpr: tuple(rates) for fpr, rates in tpr.items()},
        correction,
        covariance,
        records,
        level,
        INCREASE_SHARE * chance,
        seed,
    )


def _chosen(held: NDArray[np.int64], counts: BoolArray, looks: Sequence[Look]) -> BoolArray:
    """Which attacks the shadows chose for a set or for one of its subsets, ``[S, looks]``."""
    on_shadows = np.array([-np.inf if math.isnan(look.shadow_auc) else look.shadow_auc for look in looks])
    winner = np.where(counts, on_shadows[None, :], -np.inf).argmax(axis=1)
    chose = np.zeros(counts.shape, dtype=np.float32)
    chose[np.arange(len(held)), winner] = 1.0
    # An attack that learned nothing has no AUC on the shadows; where all are so, the first on the set is taken.
    without = ~np.isfinite(on_shadows[winner])
    if without.any():
        chose[without] = 0.0
        chose[np.flatnonzero(without), counts[without].argmax(axis=1)] = 1.0
    inside = ((held[None, :] & ~held[:, None]) == 0).astype(np.float32)
    return np.asarray(inside @ chose > 0.0)


def _largest(estimates: Sequence[Estimate], level: float) -> Estimate:
    """The largest of several figures whose intervals hold at once."""
    value = max((one.value for one in estimates if one.resolvable), default=math.nan)
    resolvable = all(one.resolvable for one in estimates)
    needed = max((one.needed_n for one in estimates if one.needed_n), default=None)
    return Estimate(
        value=value,
        low=max(one.low for one in estimates),
        high=max(one.high for one in estimates),
        n=estimates[0].n,
        method="largest of simultaneous intervals",
        level=level,
        resolvable=resolvable,
        needed_n=None if resolvable else needed,
    )
