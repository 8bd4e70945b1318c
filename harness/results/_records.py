"""Records one by one: how far each stands out among the non-members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from harness import fields
from harness.types import Estimate, View

__all__ = ["RecordFindings", "RecordReading", "RecordResult"]


@dataclass(frozen=True)
class RecordReading:
    """What one view's attack says of one record.

    Args:
        score: its membership score; larger means more likely a member.
        fpr: share of the non-members that score at least as high: the false-positive rate at which the attack calls
            this record a member. The interval is for this record alone.
    """

    score: float
    fpr: Estimate

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        return {"score": fields.finite(self.score), "fpr": self.fpr.to_json()}

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The reading that :meth:`to_json` wrote; what is missing is unknown."""
        return cls(fields.figure(node, "score"), Estimate.from_json(node.get("fpr")) or Estimate.unknown())


@dataclass(frozen=True)
class RecordResult:
    """One record; never its content.

    Args:
        id: its id in the run.
        label: its true class.
        is_member: whether the model was trained on it.
        readings: one a view, in the order of :attr:`RecordFindings.views`.
    """

    id: int
    label: int
    is_member: bool
    readings: tuple[RecordReading, ...]

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "id": self.id,
            "class": self.label,
            "is_member": self.is_member,
            "readings": [one.to_json() for one in self.readings],
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The record that :meth:`to_json` wrote; -1 where it has no id or class."""
        number, label = (fields.integer(node, key) for key in ("id", "class"))
        return cls(
            -1 if number is None else number,
            -1 if label is None else label,
            fields.flag(node, "is_member"),
            tuple(map(RecordReading.from_json, fields.rows(node, "readings"))),
        )


@dataclass(frozen=True)
class RecordFindings:
    """The most exposed records of a run, the first view's lowest false-positive rate first, members before others.

    Args:
        views: with the attacks that decide them.
        n_members: members of the audit.
        n_nonmembers: non-members of the audit.
        records: as many as were asked for.
    """

    views: tuple[View, ...]
    n_members: int
    n_nonmembers: int
    records: tuple[RecordResult, ...]

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "views": [view.to_json() for view in self.views],
            "n_members": self.n_members,
            "n_nonmembers": self.n_nonmembers,
            "records": [one.to_json() for one in self.records],
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The findings that :meth:`to_json` wrote; views that name no attack are left out."""
        views = (View.from_json(row) for row in fields.rows(node, "views"))
        return cls(
            tuple(view for view in views if view is not None),
            fields.integer(node, "n_members") or 0,
            fields.integer(node, "n_nonmembers") or 0,
            tuple(map(RecordResult.from_json, fields.rows(node, "records"))),
        )
