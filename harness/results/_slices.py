"""How much leaks about parts of the records: each class, and each value of each column of groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from harness import fields
from harness.errors import InputError
from harness.results._simultaneous import Simultaneous
from harness.types import Estimate, TprEstimate, View

__all__ = ["Slice", "SliceFindings", "SliceResult", "SlicedView"]


@dataclass(frozen=True)
class Slice:
    """Some of the audited records: those that have one value in one column.

    Args:
        column: ``class`` for the true class, else the name of a column of groups.
        value: as text.
        n_members: members among them.
        n_nonmembers: non-members among them.
    """

    column: str
    value: str
    n_members: int
    n_nonmembers: int

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "column": self.column,
            "value": self.value,
            "n_members": self.n_members,
            "n_nonmembers": self.n_nonmembers,
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The slice that :meth:`to_json` wrote."""
        return cls(
            fields.text(node, "column"),
            fields.text(node, "value"),
            fields.integer(node, "n_members") or 0,
            fields.integer(node, "n_nonmembers") or 0,
        )


@dataclass(frozen=True)
class SliceResult:
    """What one attack finds about one slice: its members against its non-members.

    Args:
        part: the slice.
        auc: with the interval of the audit's level.
        tpr_at_fpr: false-positive rate as text -> true-positive rate, with the interval of that level.
        simultaneous_auc: the same AUC with the interval that holds for all figures of the runtime's slices at once.
        simultaneous_tpr: the same true-positive rates with such intervals.
    """

    part: Slice
    auc: Estimate
    tpr_at_fpr: dict[str, Estimate]
    simultaneous_auc: Estimate
    simultaneous_tpr: dict[str, Estimate]

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        return {
            **self.part.to_json(),
            "auc": self.auc.to_json(),
            "tpr_at_fpr": {rate: one.to_json() for rate, one in self.tpr_at_fpr.items()},
            "simultaneous": {
                "auc": self.simultaneous_auc.to_json(),
                "tpr_at_fpr": {rate: one.to_json() for rate, one in self.simultaneous_tpr.items()},
            },
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The result that :meth:`to_json` wrote; what is missing is unknown."""
        simultaneous = fields.mapping(node, "simultaneous")
        return cls(
            Slice.from_json(node),
            _estimate(node, "auc"),
            _rates(node),
            _estimate(simultaneous, "auc"),
            _rates(simultaneous),
        )


@dataclass(frozen=True)
class SlicedView:
    """One view of the target, its attack, and what that finds about every slice that is large enough.

    Args:
        view: adversary, variants and runtime, with the attack that decides.
        chosen_on: ``shadows`` where that attack did best on them; ``order`` where there are none, and it is the first
            that compares with reference models, else the first of all.
        whole: the attack's AUC on all records, with the simultaneous interval of the slices.
        slices: in the order of the columns and of their values.
    """

    view: View
    chosen_on: str
    whole: Estimate
    slices: tuple[SliceResult, ...]

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        return {
            **self.view.to_json(),
            "chosen_on": self.chosen_on,
            "whole": self.whole.to_json(),
            "slices": [one.to_json() for one in self.slices],
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The view that :meth:`to_json` wrote.

        Raises:
            InputError: the object names no attack of a known adversary.
        """
        view = View.from_json(node)
        if view is None:
            raise InputError("a sliced view names no attack, or no adversary of NR, SR and MR")
        return cls(
            view,
            fields.text(node, "chosen_on"),
            _estimate(node, "whole"),
            tuple(map(SliceResult.from_json, fields.rows(node, "slices"))),
        )


@dataclass(frozen=True)
class SliceFindings:
    """What the audit finds about slices.

    Args:
        minimum: members, and non-members, that a slice needs to be measured.
        views: one a view that ships, in the order of the attacks' results.
        too_small: slices with fewer members or non-members than that.
        corrections: by runtime, how the simultaneous intervals were made.
    """

    minimum: int
    views: tuple[SlicedView, ...]
    too_small: tuple[Slice, ...]
    corrections: dict[str, Simultaneous]

    def worst(self) -> tuple[SlicedView, SliceResult] | None:
        """The slice that certainly leaks most, with its view; None where none leaks more than the whole for certain.

        Certain is what the simultaneous intervals say: the slice's lies above that of all records together.
        """
        above = [
            (view, one) for view in self.views for one in view.slices if one.simultaneous_auc.low > view.whole.high
        ]
        return max(above, key=lambda pair: pair[1].simultaneous_auc.low, default=None)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; numbers that are not finite become null."""
        return {
            "minimum": self.minimum,
            "views": [one.to_json() for one in self.views],
            "too_small": [one.to_json() for one in self.too_small],
            "corrections": {runtime: one.to_json() for runtime, one in self.corrections.items()},
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The findings that :meth:`to_json` wrote; a view that names no attack is left out: slices judge nothing."""
        corrections = fields.mapping(node, "corrections")
        named = [row for row in fields.rows(node, "views") if View.from_json(row) is not None]
        return cls(
            fields.integer(node, "minimum") or 0,
            tuple(map(SlicedView.from_json, named)),
            tuple(map(Slice.from_json, fields.rows(node, "too_small"))),
            {runtime: Simultaneous.from_json(fields.mapping(corrections, runtime)) for runtime in corrections},
        )


def _estimate(node: fields.Node, key: str) -> Estimate:
    return Estimate.from_json(node.get(key)) or Estimate.unknown()


def _rates(node: fields.Node) -> dict[str, Estimate]:
    rates = fields.mapping(node, "tpr_at_fpr")
    return {rate: TprEstimate.from_json(rates[rate]) or Estimate.unknown() for rate in rates}
