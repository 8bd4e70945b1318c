"""What the finished arms hold, read back: results and scores of one attack on one view, over all seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from harness import stats
from harness.attacks.controls import COPY
from harness.audit.stages.attack import score_key
from harness.stats import Estimate
from harness.store import Run
from harness.subject.trained import CONTROL, TARGET, TrainedSubject
from harness.types import FloatArray, IntArray
from studies.compleak._arms import Arm
from studies.compleak.controls import COPIES

__all__ = ["Evidence", "View", "estimate"]


@dataclass(frozen=True, order=True)
class View:
    """One attack on one set of variants on one runtime."""

    runtime: str
    adversary: str
    attack: str
    variants: tuple[str, ...]

    @classmethod
    def of(cls, row: dict[str, Any]) -> View:
        """The view of a result's row."""
        return cls(row["runtime"], row["adversary"], row["attack"], tuple(row["variants"]))

    @property
    def key(self) -> str:
        """Where its scores lie in a run."""
        return score_key(
            {
                "runtime": self.runtime,
                "adversary": self.adversary,
                "attack": self.attack,
                "variants": self.variants,
            }
        )

    @property
    def is_control(self) -> bool:
        """Whether a control is in view: an uncompressed copy, tuned or not."""
        return bool({CONTROL, COPY} & set(self.variants))


class Evidence:
    """The results of several arms that differ in their seed alone.

    Args:
        arms: finished arms, all of them null twins or none.
        stage: ``attack``, or ``confound`` for the mistaken protocol.
        place: what the stage put before its scores' keys.
    """

    def __init__(self, arms: Sequence[Arm], *, stage: str = "attack", place: str = "") -> None:
        self.arms = tuple(arms)
        self._place = place
        self._runs = [Run(arm.folder, arm.config) for arm in arms]
        self.found = [run.read_json(f"results/{stage}.json") for run in self._runs]

    @cached_property
    def _rows(self) -> dict[View, list[dict[str, Any]]]:
        first, *others = [{View.of(row): row for row in found["results"]} for found in self.found]
        return {v: [row, *(o[v] for o in others)] for v, row in first.items() if all(v in o for o in others)}

    @property
    def views(self) -> tuple[View, ...]:
        """The views that every arm has, in the order of the first one's results."""
        return tuple(self._rows)

    @cached_property
    def memberships(self) -> list[IntArray]:
        """Each arm's membership of the audited records, int64 ``[n]``."""
        found = []
        for arm in self.arms:
            subject = TrainedSubject.load(arm.config)
            found.append(subject.membership(TARGET, subject.population("audit").ids))
        return found

    def rows(self, view: View) -> list[dict[str, Any]]:
        """One view's result of each arm."""
        return self._rows[view]

    def scores(self, view: View) -> list[FloatArray]:
        """One view's membership scores of each arm, float64 ``[n]``."""
        place = COPIES if COPY in view.variants else self._place
        return [run.read_scores(place + view.key) for run in self._runs]

    def auc(self, view: View) -> list[Estimate]:
        """One view's AUC of each arm."""
        return [estimate(row["auc"]) for row in self.rows(view)]

    def tpr(self, view: View, fpr: float) -> list[Estimate]:
        """One view's TPR at a false-positive rate, of each arm."""
        return [estimate(row["tpr_at_fpr"][str(fpr)]) for row in self.rows(view)]

    def headline(self, views: Sequence[View]) -> View:
        """The view that did best on the shadows, over all arms; nothing of the scored records is looked at."""
        return max(views, key=lambda v: np.mean([row["shadow_auc"] or 0.0 for row in self.rows(v)]))

    def differences(self, view: View, against: View, *, level: float) -> list[Estimate]:
        """The paired difference of two views' AUCs, of each arm."""
        pairs = zip(self.scores(view), self.scores(against), self.memberships, strict=True)
        return [stats.auc_difference(a, b, m, level=level) for a, b, m in pairs]


def estimate(row: dict[str, Any]) -> Estimate:
    """An estimate from its JSON; what was not finite there is NaN again."""
    number = {key: float("nan") if row[key] is None else float(row[key]) for key in ("value", "low", "high")}
    return Estimate(
        **number,
        n=row["n"],
        method=row["method"],
        level=row["level"],
        resolvable=row["resolvable"],
        needed_n=row.get("needed_n"),
    )
