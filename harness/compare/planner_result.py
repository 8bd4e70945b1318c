"""What a plan found: sets of files with leakage, cost, worth and verdict, the front among them, and the best one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from harness import fields
from harness.policy import Outcome
from harness.results import Simultaneous
from harness.types import Estimate, View

__all__ = ["PREFERENCES", "SCHEMA", "File", "FileSet", "Plan", "Planned", "Preference", "RuleOnSet"]

SCHEMA = "edgeleak.plan/1"
# What makes one passing set better than another.
Preference = Literal["variants", "accuracy", "size", "latency"]
PREFERENCES: tuple[Preference, ...] = get_args(Preference)


@dataclass(frozen=True)
class File:
    """One file that may be released.

    Args:
        variant: the variant.
        runtime: the runtime; empty for answers from anywhere.
        size_bytes: None where there is no file.
        p50_ns: median latency, nanoseconds; None where it was not measured.
        accuracy: on non-members; None where it is not known.
        flip_share: share of records whose class differs from the reference's; None where it was not compared.
    """

    variant: str
    runtime: str
    size_bytes: int | None
    p50_ns: float | None
    accuracy: float | None
    flip_share: float | None = None

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "variant": self.variant,
            "runtime": self.runtime or None,
            "size_bytes": self.size_bytes,
            "p50_ns": self.p50_ns,
            "accuracy": self.accuracy,
            "flip_share": self.flip_share,
        }


@dataclass(frozen=True)
class RuleOnSet:
    """One rule of the policy, held against one set.

    Args:
        id: the rule's.
        outcome: pass, fail or inconclusive.
        reason: why, with the figures that decided; empty where it passes.
    """

    id: str
    outcome: Outcome
    reason: str = ""

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {"id": self.id, "outcome": self.outcome, "reason": self.reason}


@dataclass(frozen=True, kw_only=True)
class FileSet:
    """One set of files.

    Args:
        files: those that are in it.
        leakage: AUC of the strongest attack on it or on a subset; the interval holds for all sets at once.
        strongest: that attack and what it looks at.
        tpr: the largest true-positive rate at the plan's false-positive rate.
        increase: leakage minus the original's alone; None where the original is not among the files.
        outcome: under the policy.
        rules: every rule's outcome.
        on_front: no other set of as many files or more leaks less without being larger, slower or less accurate.
    """

    files: tuple[File, ...]
    leakage: Estimate
    strongest: View
    tpr: Estimate | None
    increase: Estimate | None
    outcome: Outcome
    rules: tuple[RuleOnSet, ...]
    on_front: bool = False

    @property
    def name(self) -> str:
        """The variants, joined."""
        runtimes = {file.runtime for file in self.files}
        return " + ".join(f"{f.variant}@{f.runtime}" if len(runtimes) > 1 else f.variant for f in self.files)

    @property
    def size_bytes(self) -> int | None:
        """Of all files together; None where one is not known."""
        sizes = [file.size_bytes for file in self.files if file.size_bytes is not None]
        return sum(sizes) if len(sizes) == len(self.files) else None

    @property
    def worst_p50_ns(self) -> float | None:
        """Median latency of the slowest file; None where one is not known."""
        return _extreme([file.p50_ns for file in self.files], largest=True)

    @property
    def best_accuracy(self) -> float | None:
        """Of the most accurate file."""
        return _extreme([file.accuracy for file in self.files], largest=True)

    @property
    def worst_accuracy(self) -> float | None:
        """Of the least accurate file."""
        return _extreme([file.accuracy for file in self.files], largest=False)

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        return {
            "files": [{"variant": f.variant, "runtime": f.runtime or None} for f in self.files],
            "leakage": self.leakage.to_json(),
            "strongest": self.strongest.to_json(),
            "tpr": None if self.tpr is None else self.tpr.to_json(),
            "increase": None if self.increase is None else self.increase.to_json(),
            "size_bytes": self.size_bytes,
            "worst_p50_ns": self.worst_p50_ns,
            "best_accuracy": self.best_accuracy,
            "worst_accuracy": self.worst_accuracy,
            "outcome": self.outcome,
            "rules": [rule.to_json() for rule in self.rules],
            "on_front": self.on_front,
        }


@dataclass(frozen=True, kw_only=True)
class Planned:
    """The sets of the files of one runtime, or of all.

    Args:
        runtime: the runtime; empty where files of several are planned together, or for answers from anywhere.
        files: what may be released.
        sets: those that were measured, small ones first.
        exhaustive: whether these are all.
        possible: how many there are.
        at_most: no set that passes has more files than this.
        best: place of the best set that passes; None where none does.
        correction: of the AUCs.
        attacks: the names of the attacks that were made on every set.
        skipped: attacks that could not be made, with the reason.
        chosen_on_shadows: whether the shadows chose each set's attack.
        fpr: the false-positive rate of the true-positive rates; None where none is resolved.
    """

    runtime: str
    files: tuple[File, ...]
    sets: tuple[FileSet, ...]
    exhaustive: bool
    possible: int
    at_most: int
    best: int | None
    correction: Simultaneous
    attacks: tuple[str, ...]
    skipped: dict[str, str] = field(default_factory=dict)
    chosen_on_shadows: bool = True
    fpr: float | None = None

    @property
    def best_set(self) -> FileSet | None:
        """The best set that passes."""
        return None if self.best is None else self.sets[self.best]

    def of_size(self, count: int) -> FileSet | None:
        """The set of so many files that leaks least; None where none was measured."""
        sized = [one for one in self.sets if len(one.files) == count]
        return min(sized, key=lambda one: one.leakage.value, default=None)

    @property
    def front(self) -> tuple[FileSet, ...]:
        """The sets that no other one beats."""
        return tuple(one for one in self.sets if one.on_front)

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        return {
            "runtime": self.runtime or None,
            "files": [file.to_json() for file in self.files],
            "exhaustive": self.exhaustive,
            "possible": self.possible,
            "measured": len(self.sets),
            "at_most": self.at_most,
            "best": self.best,
            "correction": self.correction.to_json(),
            "attacks": list(self.attacks),
            "skipped": dict(self.skipped),
            "chosen_on_shadows": self.chosen_on_shadows,
            "fpr": None if self.fpr is None else fields.finite(self.fpr),
            "sets": [one.to_json() for one in self.sets],
        }


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which files of a run may be released together.

    Args:
        run: the run's name.
        policy: what the sets are held against, as a sentence; empty where there is no rule.
        prefer: what makes one passing set better than another.
        planned: one a runtime, or one for all files together.
        best: place of the best of these; None where no set passes.
        limit: the lowest limit on an AUC, where the policy has one: the picture shows it.
        left_out: rules of the policy that are not held against sets, with the reason.
        level: the share of audits in which all intervals hold at once.
    """

    run: str
    policy: str
    prefer: Preference
    planned: tuple[Planned, ...]
    best: int | None
    limit: float | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    level: float = 0.95

    @property
    def outcome(self) -> Outcome:
        """Pass where a set passes, fail where every set fails, else inconclusive."""
        if self.best is not None:
            return "pass"
        outcomes = {one.outcome for planned in self.planned for one in planned.sets}
        return "fail" if outcomes == {"fail"} else "inconclusive"

    @property
    def exit_code(self) -> int:
        """0 where a set passes, 1 where every set fails, 2 where none can be shown to pass."""
        return {"pass": 0, "fail": 1, "inconclusive": 2}[self.outcome]

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        return {
            "schema": SCHEMA,
            "run": self.run,
            "policy": self.policy,
            "prefer": self.prefer,
            "outcome": self.outcome,
            "best": self.best,
            "limit": self.limit,
            "left_out": dict(self.left_out),
            "level": self.level,
            "planned": [one.to_json() for one in self.planned],
        }


def _extreme(values: Sequence[float | None], *, largest: bool) -> float | None:
    """The largest or the smallest; None where one is not known."""
    known = [value for value in values if value is not None]
    if len(known) < len(values) or not known:
        return None
    return max(known) if largest else min(known)
