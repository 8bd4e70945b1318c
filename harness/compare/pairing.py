"""Several finished runs of one audit: the views that all of them have, paired on the same records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Self

from harness import stats
from harness.audit.findings import attack_findings
from harness.errors import RunError
from harness.results import AttackFindings, Result
from harness.store import Run
from harness.types import Estimate, FloatArray, IntArray, View, rate_key

__all__ = ["PairedRuns"]


class PairedRuns:
    """Results and membership scores of finished runs, view by view; only what all runs have is shown.

    Args:
        runs: of one audit with different seeds, all of them null twins or none.
        findings: what their attacks found, one for each run.
        place: what stands before the keys of their scores.

    Raises:
        RunError: there is no run, or some are null twins and some are not.
    """

    def __init__(self, runs: Sequence[Run], findings: Sequence[AttackFindings], *, place: str = "") -> None:
        if not runs:
            raise RunError("no runs to compare", hint="give at least one finished run")
        if len({run.config.null for run in runs}) > 1:
            raise RunError("some of these runs are null twins and some are not", hint="compare one kind at a time")
        self.runs = tuple(runs)
        self._place = place
        first, *others = ({result.view: result for result in one.results} for one in findings)
        self._results = {
            view: (result, *(other[view] for other in others))
            for view, result in first.items()
            if all(view in other for other in others)
        }

    @classmethod
    def read(cls, runs: Sequence[Run]) -> Self:
        """What the stage `attack` found in finished runs.

        Raises:
            RunError: a run's attacks have not been run, or its results are damaged.
        """
        for run in runs:
            run.require("attack")
        return cls(runs, [attack_findings(run) for run in runs])

    @property
    def views(self) -> tuple[View, ...]:
        """The views that every run has, in the order of the first one's results."""
        return tuple(self._results)

    @cached_property
    def memberships(self) -> tuple[IntArray, ...]:
        """Each run's membership of the audited records, int64 ``[n]``."""
        return tuple(run.arrays.read_membership() for run in self.runs)

    def results(self, view: View) -> tuple[Result, ...]:
        """One view's result in each run."""
        return self._results[view]

    def is_control(self, view: View) -> bool:
        """Whether a control is in view, and not only what ships."""
        return self._results[view][0].is_control

    def scores(self, view: View) -> tuple[FloatArray, ...]:
        """One view's membership scores in each run, float64 ``[n]``."""
        return tuple(run.arrays.read_scores(self._place + view.key) for run in self.runs)

    def auc(self, view: View) -> tuple[Estimate, ...]:
        """One view's AUC in each run."""
        return tuple(result.auc for result in self._results[view])

    def tpr(self, view: View, fpr: float) -> tuple[Estimate, ...]:
        """One view's true-positive rate at a false-positive rate of the audit, in each run."""
        return tuple(result.tpr_at_fpr[rate_key(fpr)] for result in self._results[view])

    def best(self, views: Sequence[View]) -> View:
        """The view that did best on the shadows, over all runs; nothing of the scored records is used."""
        return max(views, key=lambda view: math.fsum(_known(one.shadow_auc) for one in self._results[view]))

    def differences(self, view: View, against: View, *, level: float) -> tuple[Estimate, ...]:
        """The paired difference of two views' AUCs in each run, with intervals of this level."""
        pairs = zip(self.scores(view), self.scores(against), self.memberships, strict=True)
        return tuple(stats.auc_difference(a, b, m, level=level) for a, b, m in pairs)


def _known(auc: float) -> float:
    """An attack that learned nothing has no AUC on the shadows, and is not chosen before one that has."""
    return 0.0 if math.isnan(auc) else auc
