"""From scores to estimates: what is said about each attack, with intervals that can be believed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from harness import stats
from harness.attacks._base import DEFAULT_FOLDS, BaseAttack
from harness.attacks._cache import Cache
from harness.attacks._memory import Fit
from harness.attacks._result import AttackResult
from harness.results import Measures, Skipped
from harness.stats import Estimate, Roc
from harness.types import FloatArray, IntArray, View

__all__ = ["Scored", "Task", "cross_fitted_auc", "measure"]


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
    """A task's scores, its cut for each record (folds may differ in it), and the fits that gave them."""

    task: Task
    scores: FloatArray
    cut: FloatArray
    fits: list[Fit] = field(default_factory=list)

    @property
    def shadow_aucs(self) -> list[float]:
        return [fit.shadow_auc for fit in self.fits]


def measure(
    scored: Sequence[Scored],
    membership: IntArray,
    *,
    original: str,
    controls: Sequence[str],
    level: float,
    families: int,
    fprs: Sequence[float],
    trained_on: str,
) -> Iterator[AttackResult]:
    """Turn scores into estimates; one sort per score serves all of them."""
    simultaneous = 1.0 - (1.0 - level) / max(1, families * len(scored))
    on_original = {s.task.view.attack: s for s in scored if s.task.view.variants == (original,)}
    best = max(on_original.values(), key=lambda s: _mean(s.shadow_aucs, otherwise=-1.0), default=None)
    for one in scored:
        view = one.task.view
        against = on_original.get(view.attack) if view.adversary == "NR" else best
        if against is one:
            against = None
        # Scores of a fixed formula are the same in every fold: nothing about them was learned.
        out_of_fold = trained_on == "members" and one.task.attack.learned
        auc = partial(cross_fitted_auc, folds=DEFAULT_FOLDS) if out_of_fold else stats.auc
        at = partial(_measures, one, stats.roc(one.scores, membership), membership, against, fprs, auc)
        pointwise = at(level)
        yield AttackResult(
            view=view,
            trained_on=trained_on,
            n_members=int(membership.sum()),
            n_nonmembers=int(len(membership) - membership.sum()),
            auc=pointwise.auc,
            balanced_accuracy=pointwise.balanced_accuracy,
            tpr_at_fpr=pointwise.tpr_at_fpr,
            epsilon_lower=pointwise.epsilon_lower,
            versus_original=pointwise.versus_original,
            simultaneous=at(simultaneous),
            versus_attack=None if against is None else against.task.view.attack,
            is_control=any(v in controls for v in view.variants),
            threshold=float(one.cut[0]) if bool((one.cut == one.cut[0]).all()) else float("nan"),
            shadow_auc=_mean(one.shadow_aucs, otherwise=float("nan")),
            scores=one.scores,
        )


def _measures(
    one: Scored,
    curve: Roc,
    membership: IntArray,
    against: Scored | None,
    fprs: Sequence[float],
    auc: Callable[..., Estimate],
    level: float,
) -> Measures:
    """Every figure of one attack, with intervals of one level."""
    difference = None if against is None else stats.auc_difference(one.scores, against.scores, membership, level=level)
    return Measures(
        auc=auc(curve, level=level),
        balanced_accuracy=stats.balanced_accuracy(_decided(one), membership, threshold=0.5, level=level),
        tpr_at_fpr={stats.rate_key(f): stats.tpr_at_fpr(curve, f, level=level) for f in fprs},
        epsilon_lower=stats.epsilon_lower(curve, level=level),
        versus_original=difference,
    )


def _decided(one: Scored) -> FloatArray:
    """1.0 where the record is called a member: its score reaches the cut of its fold."""
    return (one.scores >= one.cut).astype(np.float64)


def _mean(values: Sequence[float], *, otherwise: float) -> float:
    finite = [v for v in values if np.isfinite(v)]
    return float(np.mean(finite)) if finite else otherwise


def cross_fitted_auc(curve: Roc, *, folds: int, level: float) -> Estimate:
    """AUC of out-of-fold scores, its upper end widened where the value lies below one half.

    Where there is nothing to learn, four folds' chance pattern is the opposite of the fifth's whenever all five
    together show nothing: out-of-fold AUCs below one half are more frequent than DeLong's variance says, those above
    are not. For a learner that only chooses the sign of one direction, the covariance of two folds' contributions is
    ``(2 / pi) / sqrt(2 (K - 2) + 1)`` of their variance, so the standard deviation grows by the square root of
    ``1 + (K - 1)`` times that, 1.40 for five folds. A leak, which is above one half, is judged without this.
    """
    plain = stats.auc(curve, level=level)
    if not 0.0 < plain.value < 0.5 or plain.high in (0.0, 1.0):
        return plain
    factor = math.sqrt(1.0 + (folds - 1) * (2.0 / math.pi) / math.sqrt(2.0 * (folds - 2) + 1.0))
    middle, high = _logit(plain.value), _logit(plain.high)
    wide = 1.0 / (1.0 + math.exp(-(middle + factor * (high - middle))))
    return replace(plain, high=wide, method=f"{plain.method}, cross-fitted")


def _logit(p: float) -> float:
    return math.log(p) - math.log1p(-p)
