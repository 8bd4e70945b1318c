"""Leakage of parts of the records: by true class and by column of groups, each view with the attack that decides it.

An audit's one AUC is a mean over everybody. Few records of one kind may leak far more, so each kind is measured by
itself: its members against its non-members.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from harness.attacks import MIN_SIDE_RECORDS
from harness.audit.deciding import Deciding, deciding
from harness.audit.findings import SLICES
from harness.config import AuditConfig
from harness.data.groups import CLASS
from harness.results import AttackFindings, Simultaneous, Slice, SlicedView, SliceFindings, SliceResult
from harness.stats import auc, rate_key, roc, tpr_at_fpr
from harness.store import Run
from harness.subject import AUDIT
from harness.types import Array, Estimate, FloatArray, IntArray, View

__all__ = ["find_slices", "keep_slices"]


@dataclass(frozen=True, eq=False)
class _Part:
    """A slice and its rows among the audited records."""

    part: Slice
    rows: IntArray

    @property
    def is_large_enough(self) -> bool:
        return min(self.part.n_members, self.part.n_nonmembers) >= MIN_SIDE_RECORDS


def keep_slices(config: AuditConfig, run: Run, findings: AttackFindings, *, devices: int = 1) -> None:
    """Measure the slices of a run whose attacks have scores, and keep them as ``results/slices.json``."""
    arrays = run.arrays
    sliced = find_slices(
        findings,
        lambda view: arrays.read_scores(view.key),
        labels=arrays.read_labels(AUDIT),
        groups=arrays.read_groups(AUDIT),
        membership=arrays.read_membership(),
        fprs=config.attack.fprs,
        level=config.attack.level,
        devices=devices,
    )
    run.write_json(SLICES, sliced.to_json())


def find_slices(
    findings: AttackFindings,
    scores_of: Callable[[View], FloatArray],
    *,
    labels: IntArray,
    groups: Mapping[str, Array],
    membership: IntArray,
    fprs: Sequence[float],
    level: float,
    devices: int = 1,
) -> SliceFindings:
    """Measure every slice that has enough members and non-members, in every view that ships.

    The simultaneous intervals hold for all figures of all slices of all runtimes at once with probability ``level``,
    by Bonferroni: slices of one column share no record, and have little correlation to gain from.

    Args:
        findings: of the attacks.
        scores_of: gives the membership scores of a view.
        labels: true classes, ``[n]``.
        groups: name of a column -> what each record has there, ``[n]``.
        membership: 1 for members, 0 for non-members, ``[n]``.
        fprs: false-positive rates at which the true-positive rate is reported.
        level: nominal coverage of every interval.
        devices: how many devices do the same; the simultaneous intervals hold for all of them together.
    """
    parts = list(_parts(labels, groups, membership))
    measured = [one for one in parts if one.is_large_enough]
    choices = deciding(findings.results)
    runtimes = dict.fromkeys(one.view.runtime for one in choices)
    corrections = {}
    for runtime in runtimes:
        figures = sum(one.view.runtime == runtime for one in choices) * (1 + len(measured) * (1 + len(fprs)))
        chance = (1.0 - level) / (devices * len(runtimes) * figures)
        z = -NormalDist().inv_cdf(chance / 2.0)
        corrections[runtime] = Simultaneous(figures, level, 1.0 - chance, z, z)
    views = tuple(
        _sliced(one, scores_of(one.view), measured, membership, fprs, level, corrections[one.view.runtime].pointwise)
        for one in choices
    )
    return SliceFindings(
        MIN_SIDE_RECORDS, views, tuple(one.part for one in parts if not one.is_large_enough), corrections
    )


def _sliced(
    choice: Deciding,
    scores: FloatArray,
    parts: Sequence[_Part],
    membership: IntArray,
    fprs: Sequence[float],
    level: float,
    corrected: float,
) -> SlicedView:
    effect = choice.result.design_effect

    def measure(rows: IntArray, at: float) -> tuple[Estimate, dict[str, Estimate]]:
        curve = roc(scores[rows], membership[rows])
        rates: dict[str, Estimate] = {
            rate_key(fpr): tpr_at_fpr(curve, fpr, level=at, design_effect=effect) for fpr in fprs
        }
        return auc(curve, level=at, design_effect=effect), rates

    slices = tuple(SliceResult(one.part, *measure(one.rows, level), *measure(one.rows, corrected)) for one in parts)
    whole = auc(scores, membership, level=corrected, design_effect=effect)
    return SlicedView(choice.view, choice.chosen_on, whole, slices)


def _parts(labels: IntArray, groups: Mapping[str, Array], membership: IntArray) -> Iterator[_Part]:
    """Every class, then every value of every column."""
    for column, values in ((CLASS, labels), *groups.items()):
        for value in sorted(np.unique(values).tolist(), key=_in_order):
            rows = np.flatnonzero(values == value)
            members = int(membership[rows].sum())
            yield _Part(Slice(column, str(value), members, len(rows) - members), rows)


def _in_order(value: object) -> tuple[float, str]:
    """Numbers by their size, also where they were stored as text; then all other texts."""
    text = str(value)
    try:
        number = float(text)
    except ValueError:
        number = math.inf
    return (number if math.isfinite(number) else math.inf), text
