"""All figures of one evaluation together: one promise for their intervals, and the strongest against the strongest."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from harness.results import Increase, Simultaneous
from harness.stats import (
    covariance_of,
    placements_per_record,
    roc,
    sample,
    simultaneous,
    strongest_differences,
    tpr_parts,
)
from harness.types import FloatArray, IntArray, View

if TYPE_CHECKING:
    from harness.attacks._measure import Scored

__all__ = ["EPSILON_SHARE", "FIGURES_SHARE", "STRONGEST_SHARE", "FamilyWise"]

# How the chance that some interval misses is divided. Most of it goes to AUC, balanced accuracy, TPR and paired
# differences, which are many and correlated; bounds of epsilon and increases share theirs by Bonferroni.
FIGURES_SHARE = 0.8
EPSILON_SHARE = 0.1
STRONGEST_SHARE = 0.1


class FamilyWise:
    """The joint law of all figures of some scores of the same records.

    Args:
        scored: the scores.
        against: what each is compared with; None where there is nothing.
        membership: 1 for members, 0 for non-members, ``[n]``.
        fprs: rates at which the true-positive rate is reported.
        seed: of the draws.
    """

    def __init__(
        self,
        scored: Sequence[Scored],
        against: Sequence[Scored | None],
        membership: IntArray,
        *,
        fprs: Sequence[float],
        seed: int,
    ) -> None:
        self._scored, self._against = scored, against
        self._membership, self._member = membership, membership == 1
        self._fprs, self._seed = fprs, seed
        self._rows = sample(self._member, seed=seed)
        self._counts = (int(self._member.sum()), int((~self._member).sum()))
        by_identity = {id(one): place for place, one in enumerate(scored)}
        self._place_of_other = [None if other is None else by_identity[id(other)] for other in against]

    def correction(self, level: float) -> Simultaneous:
        """The level at which AUCs, balanced accuracies, TPRs and differences all hold at once with this one."""
        rest = [column for one in self._scored for column in self._of_decisions(one)]
        differences = [
            self._placements[:, place] - self._placements[:, other]
            for place, other in enumerate(self._place_of_other)
            if other is not None
        ]
        columns = np.column_stack([self._placements, *rest, *differences])
        covariance = covariance_of(columns, self._member[self._rows], counts=self._counts)
        return simultaneous(covariance, records=min(self._counts), level=level, seed=self._seed)

    def increases(self, *, original: str, controls: Sequence[str], level: float, chance: float) -> tuple[Increase, ...]:
        """The strongest attack of each view against the strongest on the original alone.

        Args:
            original: name of the uncompressed variant.
            controls: variants that do not ship.
            level: of the plain intervals.
            chance: that some simultaneous interval misses.
        """
        views: dict[View, list[int]] = {}
        for place, one in enumerate(self._scored):
            views.setdefault(one.task.view.of_any_attack, []).append(place)
        base = next((view for view in views if view.variants == (original,)), None)
        if base is None or len(views) == 1:
            return ()
        others = [view for view in views if view != base]
        covariance = covariance_of(self._placements, self._member[self._rows], counts=self._counts)
        differences = strongest_differences(
            self._aucs,
            covariance,
            [(views[view], views[base]) for view in others],
            n=len(self._membership),
            pairs=min(self._counts),
            seed=self._seed,
        )
        return tuple(
            Increase(
                view=self._scored[one.first].task.view,
                against=self._scored[one.second].task.view.attack,
                difference=one.estimate(level),
                simultaneous=one.estimate(1.0 - chance / len(others)),
                is_control=any(variant in controls for variant in view.variants),
            )
            for view, one in zip(others, differences, strict=True)
        )

    @cached_property
    def _aucs(self) -> FloatArray:
        return self._placed[0]

    @cached_property
    def _placements(self) -> FloatArray:
        """Placement values of the sampled records, widened where scores were cross-fitted, ``[k, scores]``."""
        return self._placed[1]

    @cached_property
    def _placed(self) -> tuple[FloatArray, FloatArray]:
        aucs, columns = [], []
        for one in self._scored:
            values = placements_per_record(one.scores, self._member)
            mean = float(values[self._member].mean())
            aucs.append(mean)
            columns.append(mean + math.sqrt(one.design_effect) * (values[self._rows] - mean))
        return np.array(aucs), np.column_stack(columns)

    def _of_decisions(self, one: Scored) -> Iterator[FloatArray]:
        """Each sampled record's part in the balanced accuracy and in each true-positive rate."""
        rows = self._rows
        side = np.where(self._member[rows], 1.0, -1.0)
        yield side * one.decided[rows] * math.sqrt(one.cut_design_effect)
        curve = roc(one.scores, self._membership)
        for fpr in self._fprs:
            yield tpr_parts(curve, one.scores[rows], side > 0, fpr) * math.sqrt(one.design_effect)
