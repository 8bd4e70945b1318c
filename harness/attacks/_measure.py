"""From scores to estimates: what is said about each attack, with intervals that hold one by one and all at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.attacks._base import BaseAttack
from harness.attacks._cache import Cache
from harness.attacks._family_wise import EPSILON_SHARE, FIGURES_SHARE, STRONGEST_SHARE, FamilyWise
from harness.attacks._memory import Fit
from harness.attacks._registry import counterpart
from harness.attacks._result import AttackResult
from harness.results import Increase, Measures, Simultaneous, Skipped
from harness.stats import Roc, auc, auc_difference, balanced_accuracy, epsilon_lower, rate_key, roc, tpr_at_fpr
from harness.types import FloatArray, IntArray, View

__all__ = ["Measured", "Scored", "Task", "measure"]

# Scores that were cross-fitted over the audited membership have, where nothing leaks, twice the variance of scores
# that were not: record i has a part in the score of record j, and j in that of i, so each pair of records counts
# twice in the statistic (for a score that is linear in the memberships with a symmetric kernel, exactly so). In the
# terms of surveys they have a design effect of 2: they hold the information of half as many records.
CROSS_FITTED_DESIGN_EFFECT = 2.0


@dataclass(frozen=True)
class Task:
    """One attack on one view."""

    view: View
    attack: type[BaseAttack]

    def build(self, *, original: str, seed: int, n_jobs: int, folds: int, cache: Cache) -> BaseAttack:
        return self.attack(self.view.variants, original=original, seed=seed, n_jobs=n_jobs, folds=folds, cache=cache)

    def skipped(self, reason: str) -> Skipped:
        return Skipped(self.view, reason)


@dataclass
class Scored:
    """A task's scores, its cut for each record (folds may differ in it), and the fits that gave them.

    Args:
        task: the attack and its view.
        scores: ``[n]``.
        cut: ``[n]``.
        fits: one, or one a fold.
        cross_fitted: whether it was fitted over the audited membership, fold by fold.
    """

    task: Task
    scores: FloatArray
    cut: FloatArray
    fits: list[Fit] = field(default_factory=list)
    cross_fitted: bool = False

    @property
    def shadow_auc(self) -> float:
        """Mean over the fits that have one."""
        finite = [fit.shadow_auc for fit in self.fits if math.isfinite(fit.shadow_auc)]
        return float(np.mean(finite)) if finite else math.nan

    @property
    def decided(self) -> FloatArray:
        """1.0 where the record is called a member: its score reaches its cut."""
        return (self.scores >= self.cut).astype(np.float64)

    @property
    def design_effect(self) -> float:
        """Of figures of the scores: a fixed formula is the same in every fold, nothing about it was learned."""
        return CROSS_FITTED_DESIGN_EFFECT if self.cross_fitted and self.task.attack.learned else 1.0

    @property
    def cut_design_effect(self) -> float:
        """Of figures of the decisions: the cut is always learned."""
        return CROSS_FITTED_DESIGN_EFFECT if self.cross_fitted else 1.0

    @property
    def threshold(self) -> float:
        """The cut; NaN where it is not one for all records."""
        return float(self.cut[0]) if bool((self.cut == self.cut[0]).all()) else math.nan

    @property
    def chosen(self) -> dict[str, str | float | int]:
        """What the fits chose: the value where they agree, else one a fold."""
        names = dict.fromkeys(name for fit in self.fits for name in fit.chosen)
        of_folds = {name: [fit.chosen[name] for fit in self.fits if name in fit.chosen] for name in names}
        return {
            name: values[0] if all(value == values[0] for value in values) else ", ".join(map(str, values))
            for name, values in of_folds.items()
        }

    @property
    def cut_note(self) -> str:
        """Why the cut cannot be trusted; empty where every fit trusts it."""
        return next((fit.cut_note for fit in self.fits if fit.cut_note), "")


@dataclass(frozen=True)
class Measured:
    """What the scores of one evaluation say.

    Args:
        results: one a score.
        increases: the strongest attack of each view against the strongest on the original alone.
        correction: how the simultaneous intervals were made; None where there is no score.
    """

    results: tuple[AttackResult, ...]
    increases: tuple[Increase, ...]
    correction: Simultaneous | None


def measure(
    scored: Sequence[Scored],
    membership: IntArray,
    *,
    original: str,
    controls: Sequence[str],
    level: float,
    families: int,
    fprs: Sequence[float],
    references: int,
    seed: int,
) -> Measured:
    """Turn scores into estimates, at the nominal level and at the one that holds for all of them at once."""
    if not scored:
        return Measured((), (), None)
    alone = {one.task.view.attack: one for one in scored if one.task.view.variants == (original,)}
    against = [_compared(one, alone) for one in scored]
    family = FamilyWise(scored, against, membership, fprs=fprs, seed=seed)
    chance = (1.0 - level) / max(1, families)
    correction = family.correction(1.0 - FIGURES_SHARE * chance)
    epsilon_level = 1.0 - EPSILON_SHARE * chance / len(scored)
    results = []
    for one, other in zip(scored, against, strict=True):
        curve = roc(one.scores, membership)
        pointwise, simultaneous = (
            _measures(one, other, curve, membership, fprs, level=at, epsilon_level=epsilon_at)
            for at, epsilon_at in ((level, level), (correction.pointwise, epsilon_level))
        )
        results.append(
            AttackResult(
                view=one.task.view,
                trained_on="members" if one.cross_fitted else "shadows",
                n_members=int(membership.sum()),
                n_nonmembers=int(len(membership) - membership.sum()),
                auc=pointwise.auc,
                balanced_accuracy=pointwise.balanced_accuracy,
                tpr_at_fpr=pointwise.tpr_at_fpr,
                epsilon_lower=pointwise.epsilon_lower,
                versus_original=pointwise.versus_original,
                simultaneous=simultaneous,
                versus_attack=None if other is None else other.task.view.attack,
                is_control=any(v in controls for v in one.task.view.variants),
                threshold=one.threshold,
                shadow_auc=one.shadow_auc,
                design_effect=one.design_effect,
                references=references if "references" in one.task.attack.needs else 0,
                chosen=one.chosen,
                cut_note=one.cut_note,
                scores=one.scores,
            )
        )
    increases = family.increases(original=original, controls=controls, level=level, chance=STRONGEST_SHARE * chance)
    return Measured(tuple(results), increases, correction)


def _compared(one: Scored, alone: dict[str, Scored]) -> Scored | None:
    """The attack of the same family on the original alone; None for that one itself, or where it has no result."""
    other = alone.get(counterpart(one.task.view.attack))
    return None if other is one else other


def _measures(
    one: Scored,
    other: Scored | None,
    curve: Roc,
    membership: IntArray,
    fprs: Sequence[float],
    *,
    level: float,
    epsilon_level: float,
) -> Measures:
    """Every figure of one attack, with intervals of one level."""
    effect = one.design_effect
    difference = None
    if other is not None:
        pair_effect = max(effect, other.design_effect)
        difference = auc_difference(one.scores, other.scores, membership, level=level, design_effect=pair_effect)
    return Measures(
        auc=auc(curve, level=level, design_effect=effect),
        balanced_accuracy=balanced_accuracy(
            one.decided, membership, threshold=0.5, level=level, design_effect=one.cut_design_effect
        ),
        tpr_at_fpr={rate_key(f): tpr_at_fpr(curve, f, level=level, design_effect=effect) for f in fprs},
        epsilon_lower=epsilon_lower(curve, level=epsilon_level, design_effect=effect),
        versus_original=difference,
    )
