"""What changed between two audits, as types: views, the strongest attacks, and the files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness import fields
from harness.types import Estimate, View

__all__ = ["SCHEMA", "ArtifactChange", "Change", "Comparison", "Direction", "Strongest", "direction"]

SCHEMA = "edgeleak.comparison/1"
Direction = Literal["more", "less", "not resolved"]


def direction(change: Estimate) -> Direction:
    """Whether a figure rose or fell; not resolved where the interval holds 0 or is not known."""
    if change.low > 0.0:
        return "more"
    return "less" if change.high < 0.0 else "not resolved"


@dataclass(frozen=True)
class Change:
    """One attack on one view, in both audits.

    Args:
        view: the attack and what it looks at.
        before: AUC in the first audit, on all of its records.
        after: AUC in the second.
        auc: the second minus the first, on the records that both have where they are paired.
        tpr: false-positive rate as text -> change of the true-positive rate.
        is_control: a control is in view, and not only what ships.
    """

    view: View
    before: Estimate
    after: Estimate
    auc: Estimate
    tpr: Mapping[str, Estimate]
    is_control: bool = False

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        return {
            **self.view.to_json(),
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "auc": self.auc.to_json(),
            "tpr_at_fpr": {rate: one.to_json() for rate, one in self.tpr.items()},
            "leaks": direction(self.auc),
            "is_control": self.is_control,
        }


@dataclass(frozen=True)
class Strongest:
    """The strongest attack of each audit, whichever it is.

    Args:
        before: the first audit's.
        after: the second's.
        auc_before: its AUC.
        auc_after: its AUC.
        change: the second's minus the first's.
    """

    before: View
    after: View
    auc_before: float
    auc_after: float
    change: Estimate

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        return {
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "auc_before": fields.finite(self.auc_before),
            "auc_after": fields.finite(self.auc_after),
            "change": self.change.to_json(),
            "leaks": direction(self.change),
        }


@dataclass(frozen=True, kw_only=True)
class ArtifactChange:
    """One file in both audits, or in one.

    Args:
        variant: the variant.
        runtime: the runtime.
        device: the device, where results name it.
        size: bytes before and after; None where not known.
        accuracy: change of the accuracy on non-members; None where one side lacks it.
        p50_ns: change of the median latency, nanoseconds; None where one side lacks it.
        same_file: both have the same bytes.
        only: ``before`` or ``after`` where one audit alone has it.
    """

    variant: str
    runtime: str
    device: str
    size: tuple[int | None, int | None]
    accuracy: Estimate | None
    p50_ns: Estimate | None
    same_file: bool
    only: str

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "variant": self.variant,
            "runtime": self.runtime or None,
            "device": self.device or None,
            "size_bytes": list(self.size),
            "accuracy": None if self.accuracy is None else self.accuracy.to_json(),
            "p50_ns": None if self.p50_ns is None else self.p50_ns.to_json(),
            "same_file": self.same_file,
            "only": self.only or None,
        }


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What changed from one audit to another.

    Args:
        before: the first's place.
        after: the second's place.
        names: of both audits.
        created: when they were begun.
        outcomes: of their gates; empty where there is no verdict.
        how: how their records are compared, as a sentence.
        paired: members and non-members that both have; None where nothing is paired.
        level: the probability with which all intervals of changes hold at once.
        strongest: the strongest attacks; None where an audit has no result.
        changes: of every view that both have.
        artifacts: of every file.
        only_before: views that the first alone has.
        only_after: views that the second alone has.
    """

    before: str
    after: str
    names: tuple[str, str]
    created: tuple[str, str]
    outcomes: tuple[str, str]
    how: str
    paired: tuple[int, int] | None
    level: float
    strongest: Strongest | None
    changes: tuple[Change, ...]
    artifacts: tuple[ArtifactChange, ...]
    only_before: tuple[View, ...]
    only_after: tuple[View, ...]

    @property
    def increases(self) -> tuple[Change, ...]:
        """The views of what ships that leak more, by AUC or a true-positive rate."""
        return tuple(
            one
            for one in self.changes
            if not one.is_control and "more" in (direction(one.auc), *map(direction, one.tpr.values()))
        )

    def exit_code(self, *, fail_on_increase: bool, tolerance: float) -> int:
        """0 where it only reports; else 1 where more leakage is shown, 2 where it cannot be ruled out.

        Args:
            fail_on_increase: whether more leakage fails.
            tolerance: an increase of the strongest attack's AUC up to this is none.
        """
        if not fail_on_increase:
            return 0
        if self.increases or (self.strongest is not None and direction(self.strongest.change) == "more"):
            return 1
        if self.strongest is None or not math.isfinite(self.strongest.change.high):
            return 2
        return 0 if self.strongest.change.high <= tolerance else 2

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        return {
            "schema": SCHEMA,
            "before": {"place": self.before, "name": self.names[0], "created": self.created[0] or None},
            "after": {"place": self.after, "name": self.names[1], "created": self.created[1] or None},
            "outcomes": [outcome or None for outcome in self.outcomes],
            "how": self.how,
            "paired": None if self.paired is None else list(self.paired),
            "level": self.level,
            "strongest": None if self.strongest is None else self.strongest.to_json(),
            "changes": [one.to_json() for one in self.changes],
            "artifacts": [one.to_json() for one in self.artifacts],
            "only_before": [view.to_json() for view in self.only_before],
            "only_after": [view.to_json() for view in self.only_after],
        }
