"""What the gate decided: the outcome of each rule, and the verdict that they make together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self, cast, get_args

from harness import fields, notebook
from harness.types import Estimate, TprEstimate, View

__all__ = ["ArtifactName", "Case", "Outcome", "RuleOutcome", "Severity", "Verdict", "Waiver", "exit_code"]

Outcome = Literal["pass", "fail", "inconclusive"]
# What a rule that does not hold does to a release: fails it, or is only said.
Severity = Literal["fail", "warn"]
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
class Waiver:
    """What somebody accepted, by name and until a date.

    Args:
        owner: who accepted it.
        reason: why.
        expires: the last day on which it counts, ISO 8601.
        is_expired: that day was over when the run was judged.
    """

    owner: str
    reason: str
    expires: str
    is_expired: bool = False

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {"owner": self.owner, "reason": self.reason, "expires": self.expires, "is_expired": self.is_expired}

    @classmethod
    def from_json(cls, node: fields.Node) -> Self | None:
        """The waiver that :meth:`to_json` wrote; None where the object names nobody."""
        owner = fields.text(node, "owner")
        if not owner:
            return None
        expired = fields.flag(node, "is_expired")
        return cls(
            owner=owner, reason=fields.text(node, "reason"), expires=fields.text(node, "expires"), is_expired=expired
        )


@dataclass(frozen=True, kw_only=True)
class Case:
    """One result or artifact, held against one rule.

    Args:
        about: the attack's view, or the artifact.
        outcome: pass, fail or inconclusive, whatever was waived.
        reason: why, with the figures that decided.
        estimate: the figure with its interval; None where there is none.
        against: the attack that it is compared with, where the figure is a difference; else empty.
        part: the records that it is about, e.g. ``class 3``; empty for all of them.
        waiver: what somebody accepted of this case; None where nobody did.
    """

    about: View | ArtifactName
    outcome: Outcome
    reason: str = ""
    estimate: Estimate | None = None
    against: str = ""
    part: str = ""
    waiver: Waiver | None = None

    @property
    def is_waived(self) -> bool:
        """Whether the case does not hold and somebody accepted that, until a day that is not over."""
        return self.outcome != "pass" and self.waiver is not None and not self.waiver.is_expired

    def to_json(self) -> dict[str, object]:
        """A JSON object without what is empty: there are many cases. Numbers that are not finite become null."""
        rest: dict[str, object] = {
            "reason": self.reason,
            "estimate": self.estimate and self.estimate.to_json(),
            "against": self.against,
            "part": self.part,
            "waiver": self.waiver and self.waiver.to_json(),
        }
        filled = {key: value for key, value in rest.items() if value}
        return {"about": self.about.to_json(), "outcome": self.outcome, **filled}

    @classmethod
    def from_json(cls, node: fields.Node) -> Self | None:
        """The case that :meth:`to_json` wrote; None where the object is about nothing that has a name."""
        about = _about(fields.mapping(node, "about"))
        if about is None:
            return None
        return cls(
            about=about,
            outcome=_outcome(node) or "inconclusive",
            reason=fields.text(node, "reason"),
            estimate=_estimate(fields.mapping(node, "estimate")),
            against=fields.text(node, "against"),
            part=fields.text(node, "part"),
            waiver=Waiver.from_json(fields.mapping(node, "waiver")),
        )


@dataclass(frozen=True, kw_only=True)
class RuleOutcome:
    """What became of one rule.

    Args:
        id: the rule's id.
        name: the rule as a sentence.
        outcome: pass, fail or inconclusive, with what is waived left out.
        reason: why, with the figures that decided.
        estimate: the deciding estimate, None where there is none.
        worst: what the deciding figure is about: an attack's view, or an artifact; None where nothing was judged.
        severity: what it does to a release where it does not hold.
        quantity: what is limited, as a noun, e.g. ``auc`` or ``tpr_at_fpr[0.01]``; empty where nothing is.
        limit: the limit, in the quantity's unit; None where there is none.
        cases: every result or artifact that was held against the rule.
        file: where the rule is written, relative to the working folder; empty where it is in no file.
        line: its line there, from 1; 0 where there is none.
    """

    id: str
    name: str
    outcome: Outcome
    reason: str
    estimate: Estimate | None = None
    worst: View | ArtifactName | None = None
    severity: Severity = "fail"
    quantity: str = ""
    limit: float | None = None
    cases: tuple[Case, ...] = ()
    file: str = ""
    line: int = 0

    @property
    def culprits(self) -> tuple[Case, ...]:
        """The cases that keep the rule from holding, failures first; those that are waived are left out."""
        open_cases = [case for case in self.cases if case.outcome != "pass" and not case.is_waived]
        return tuple(sorted(open_cases, key=lambda case: case.outcome != "fail"))

    @property
    def waived(self) -> tuple[Case, ...]:
        """The cases that would keep the rule from holding, and that somebody accepted."""
        return tuple(case for case in self.cases if case.is_waived)

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        return {
            "id": self.id,
            "name": self.name,
            "outcome": self.outcome,
            "reason": self.reason,
            "estimate": None if self.estimate is None else self.estimate.to_json(),
            "worst": None if self.worst is None else self.worst.to_json(),
            "severity": self.severity,
            "quantity": self.quantity,
            "limit": None if self.limit is None else fields.finite(self.limit),
            "cases": [case.to_json() for case in self.cases],
            "file": self.file,
            "line": self.line,
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The outcome that :meth:`to_json` wrote; anything but pass and fail is inconclusive."""
        cases = map(Case.from_json, fields.rows(node, "cases"))
        return cls(
            id=fields.text(node, "id"),
            name=fields.text(node, "name"),
            outcome=_outcome(node) or "inconclusive",
            reason=fields.text(node, "reason"),
            estimate=_estimate(fields.mapping(node, "estimate")),
            worst=_about(fields.mapping(node, "worst")),
            severity="warn" if fields.text(node, "severity") == "warn" else "fail",
            quantity=fields.text(node, "quantity"),
            limit=fields.number(node, "limit"),
            cases=tuple(case for case in cases if case is not None),
            file=fields.text(node, "file"),
            line=fields.integer(node, "line") or 0,
        )


@dataclass(frozen=True)
class Verdict:
    """What the gate decided about an audit.

    Args:
        rules: every rule's outcome, in the policy's order.
        policy: what the rules are, as a sentence: a preset's name, a file; empty where nothing is known of them.
        baseline: what changes are held against beside the original, as a sentence; empty where nothing is.
        notes: what a reader of the policy should know beside, a sentence each: waivers that accept nothing, rules of a
            preset that ask what the audit did not measure.
    """

    rules: tuple[RuleOutcome, ...]
    policy: str = ""
    baseline: str = ""
    notes: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Fail if any rule fails, else inconclusive if any is or there is none, else pass; warnings decide nothing."""
        outcomes = {rule.outcome for rule in self.rules if rule.severity == "fail"}
        if not outcomes and self.rules:
            return "pass"
        return "fail" if "fail" in outcomes else "pass" if outcomes == {"pass"} else "inconclusive"

    @property
    def warnings(self) -> tuple[RuleOutcome, ...]:
        """The rules that do not hold and only warn."""
        return tuple(rule for rule in self.rules if rule.severity == "warn" and rule.outcome != "pass")

    @property
    def decides_nothing(self) -> bool:
        """Whether no rule could have failed the release."""
        return all(rule.severity == "warn" for rule in self.rules)

    def _repr_html_(self) -> str:
        rows = [(rule.outcome, rule.severity, rule.name, rule.reason) for rule in self.rules]
        table = notebook.table(("outcome", "severity", "rule", "why"), rows) if rows else ""
        nothing = "" if rows else " (no rule was judged)"
        return notebook.block(notebook.sentence(f"Verdict: {self.outcome}{nothing}", strong=True), table)

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "outcome": self.outcome,
            "rules": [rule.to_json() for rule in self.rules],
            "policy": self.policy,
            "baseline": self.baseline,
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The verdict that :meth:`to_json` wrote.

        Where the object states another outcome than its rules have, or none, a rule more says so: it never passes.
        """
        rules = tuple(map(RuleOutcome.from_json, fields.rows(node, "rules")))
        words = (fields.text(node, "policy"), fields.text(node, "baseline"))
        verdict = cls(rules, *words, fields.strings(node, "notes"))
        stated = _outcome(node)
        if stated == verdict.outcome:
            return verdict
        reason = f"the verdict states {stated or 'no outcome'}, its rules make {verdict.outcome}: judge the run again"
        damage = RuleOutcome(id="verdict", name="the verdict is whole", outcome="inconclusive", reason=reason)
        return replace(verdict, rules=(*verdict.rules, damage))


def exit_code(verdict: Verdict) -> int:
    """0 pass, 1 fail, 2 inconclusive."""
    return EXIT_CODES[verdict.outcome]


def _outcome(node: fields.Node) -> Outcome | None:
    outcome = fields.text(node, "outcome")
    return cast(Outcome, outcome) if outcome in get_args(Outcome) else None


def _about(node: fields.Node) -> View | ArtifactName | None:
    return View.from_json(node) or ArtifactName.from_json(node)


def _estimate(node: fields.Node) -> Estimate | None:
    return (TprEstimate if "fpr" in node else Estimate).from_json(node)
