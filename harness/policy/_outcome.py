"""What the gate decided: the outcome of each rule, and the verdict that they make together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self, cast, get_args

from harness import fields
from harness.types import Estimate, TprEstimate, View

__all__ = ["ArtifactName", "Outcome", "RuleOutcome", "Verdict", "exit_code"]

Outcome = Literal["pass", "fail", "inconclusive"]
EXIT_CODES: Mapping[Outcome, int] = {"pass": 0, "fail": 1, "inconclusive": 2}


@dataclass(frozen=True, order=True)
class ArtifactName:
    """What names an artifact of the audited model.

    Args:
        variant: the variant.
        runtime: the runtime that it was exported for.
        device: the device as the user named it; empty where there is only one.
    """

    variant: str
    runtime: str
    device: str = ""

    def __str__(self) -> str:
        """The artifact as part of a sentence, e.g. ``int8 on litert``."""
        return f"{self.variant} on {', '.join(filter(None, (self.runtime, self.device)))}"

    def to_json(self) -> dict[str, object]:
        """A JSON object; a device that is not named is left out."""
        device = {"device": self.device} if self.device else {}
        return {"variant": self.variant, "runtime": self.runtime, **device}

    @classmethod
    def from_json(cls, node: fields.Node) -> Self | None:
        """The name that :meth:`to_json` wrote; None where the object names no variant."""
        variant = fields.text(node, "variant")
        return cls(variant, fields.text(node, "runtime"), fields.text(node, "device")) if variant else None


@dataclass(frozen=True, kw_only=True)
class RuleOutcome:
    """What became of one rule.

    Args:
        id: the rule's id.
        name: the rule as a sentence.
        outcome: pass, fail or inconclusive.
        reason: why, with the figures that decided.
        estimate: the deciding estimate, None where there is none.
        worst: what the deciding figure is about: an attack's view, or an artifact; None where nothing was judged.
    """

    id: str
    name: str
    outcome: Outcome
    reason: str
    estimate: Estimate | None = None
    worst: View | ArtifactName | None = None

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        return {
            "id": self.id,
            "name": self.name,
            "outcome": self.outcome,
            "reason": self.reason,
            "estimate": None if self.estimate is None else self.estimate.to_json(),
            "worst": None if self.worst is None else self.worst.to_json(),
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The outcome that :meth:`to_json` wrote; anything but pass and fail is inconclusive."""
        worst, estimate = fields.mapping(node, "worst"), fields.mapping(node, "estimate")
        return cls(
            id=fields.text(node, "id"),
            name=fields.text(node, "name"),
            outcome=_outcome(node) or "inconclusive",
            reason=fields.text(node, "reason"),
            estimate=(TprEstimate if "fpr" in estimate else Estimate).from_json(estimate),
            worst=View.from_json(worst) or ArtifactName.from_json(worst),
        )


@dataclass(frozen=True)
class Verdict:
    """What the gate decided about an audit.

    Args:
        rules: every rule's outcome, in the policy's order.
    """

    rules: tuple[RuleOutcome, ...]

    @property
    def outcome(self) -> Outcome:
        """Fail if any rule fails, else inconclusive if any is or there is none, else pass."""
        outcomes = {rule.outcome for rule in self.rules}
        return "fail" if "fail" in outcomes else "pass" if outcomes == {"pass"} else "inconclusive"

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {"outcome": self.outcome, "rules": [rule.to_json() for rule in self.rules]}

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The verdict that :meth:`to_json` wrote.

        Where the object states another outcome than its rules have, or none, a rule more says so: it never passes.
        """
        verdict = cls(tuple(map(RuleOutcome.from_json, fields.rows(node, "rules"))))
        stated = _outcome(node)
        if stated == verdict.outcome:
            return verdict
        reason = f"the verdict states {stated or 'no outcome'}, its rules make {verdict.outcome}: judge the run again"
        damage = RuleOutcome(id="verdict", name="the verdict is whole", outcome="inconclusive", reason=reason)
        return cls((*verdict.rules, damage))


def exit_code(verdict: Verdict) -> int:
    """0 pass, 1 fail, 2 inconclusive."""
    return EXIT_CODES[verdict.outcome]


def _outcome(node: fields.Node) -> Outcome | None:
    outcome = fields.text(node, "outcome")
    return cast(Outcome, outcome) if outcome in get_args(Outcome) else None
