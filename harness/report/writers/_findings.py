"""What a verdict says of each file on each device, rule by rule: the rows of junit.xml, gate.sarif and annotations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from harness.policy import ArtifactName, Case, Outcome, RuleOutcome, Verdict, Waiver
from harness.report._clean import REASON_LIMIT, clean
from harness.report.model import ORIGINAL, Report
from harness.types import Estimate, View

__all__ = ["Finding", "Place", "Status", "findings", "waived"]

# What becomes of a release by a finding; only the first two can stop it.
Status = Literal["fails", "undecided", "warns", "waived", "holds"]
# The worst case decides: one that is open before one that somebody accepted.
_ORDER: tuple[Outcome, ...] = ("fail", "inconclusive", "pass")


@dataclass(frozen=True, order=True)
class Place:
    """What a finding is about.

    Args:
        device: as the user named it; empty where there is only one.
        runtime: empty where there is none.
        variants: what is released, so without the original where others are seen beside it; empty where the finding is
            about the audit as a whole.
    """

    device: str = ""
    runtime: str = ""
    variants: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The place as part of a sentence, e.g. ``int8 on litert``; every text is clean."""
        seen = " + ".join(map(clean, self.variants)) or "the audit as a whole"
        where = ", ".join(clean(name) for name in (self.runtime, self.device) if name)
        return f"{seen} on {where}" if where else seen

    @classmethod
    def of(cls, about: View | ArtifactName) -> Place:
        """Where a case belongs."""
        if isinstance(about, ArtifactName):
            return cls(about.device, about.runtime, (about.variant,))
        released = tuple(name for name in about.variants if name != ORIGINAL)
        return cls(about.device, about.runtime, released or about.variants)


@dataclass(frozen=True)
class Finding:
    """One rule at one place.

    Args:
        rule: the rule.
        place: what it was held against there.
        worst: the case that decides; None where the rule has none, or is decided by none.
        cases: how many cases there are at this place.
        outcome: pass, fail or inconclusive, whatever was waived.
        status: what becomes of the release.
    """

    rule: RuleOutcome
    place: Place
    worst: Case | None
    cases: int
    outcome: Outcome
    status: Status

    @property
    def reason(self) -> str:
        """Why, as one clean line: which attack has which figure, else the rule's reason; and what was waived."""
        own = _said(self.worst) or self.rule.reason or "no reason is given"
        more = f" (the worst of {self.cases} results here)" if self.cases > 1 else ""
        waiver = self.waiver
        said = "" if waiver is None or self.outcome == "pass" else f"; {waived(waiver)}"
        return clean(own, limit=REASON_LIMIT) + more + said

    @property
    def waiver(self) -> Waiver | None:
        """What somebody accepted here, expired or not."""
        return None if self.worst is None else self.worst.waiver

    @property
    def estimate(self) -> Estimate | None:
        """The figure that decides."""
        return self.rule.estimate if self.worst is None else self.worst.estimate


def _said(case: Case | None) -> str:
    """A case's reason with its subject: a reason begins after it."""
    if case is None or not case.reason:
        return ""
    # A file is named by the finding's place already.
    subject = str(case.about) if isinstance(case.about, View) else ""
    against = f" against {case.against}" if case.against else ""
    said = ", ".join(filter(None, (subject + against, case.part)))
    return f"{said}: {case.reason}" if said else case.reason


def waived(waiver: Waiver) -> str:
    """A waiver as a sentence, every text of it clean."""
    said = f"{clean(waiver.owner)}: {clean(waiver.reason, limit=REASON_LIMIT)}"
    if waiver.is_expired:
        return f"the waiver of {said} expired on {clean(waiver.expires)}"
    return f"waived until {clean(waiver.expires)} by {said}"


def findings(report: Report) -> tuple[Finding, ...]:
    """Every rule at every place that it was held against, in the policy's order, then by place.

    Several attacks on the same variants, runtime and device make one finding, which the worst of them decides. A rule
    that does not hold and that no case explains has a finding about the audit as a whole, so that it cannot be
    overlooked; so has a rule without cases, and an audit that nothing has judged.

    Args:
        report: what an audit found, and the verdict.
    """
    if report.verdict is None:
        verdict = Verdict((_not_judged(),))
    else:
        verdict = report.verdict if report.verdict.rules else Verdict((_no_rules(),))
    return tuple(finding for rule in verdict.rules for finding in _of_rule(rule))


def _not_judged() -> RuleOutcome:
    reason = "nothing was judged: run `edgeleak gate`"
    return RuleOutcome(id="verdict", name="the audit has a verdict", outcome="inconclusive", reason=reason)


def _no_rules() -> RuleOutcome:
    reason = "the policy has no rules, so that nothing can pass: add one to [gate]"
    return RuleOutcome(id="policy", name="the policy has rules", outcome="inconclusive", reason=reason)


def _of_rule(rule: RuleOutcome) -> Iterator[Finding]:
    places: dict[Place, list[Case]] = {}
    for case in rule.cases:
        places.setdefault(Place.of(case.about), []).append(case)
    made = [_finding(rule, place, cases) for place, cases in sorted(places.items())]
    yield from made
    if not made or not _explained(rule, rule.culprits):
        yield Finding(rule, Place(), None, 0, rule.outcome, _status(rule, rule.outcome))


def _explained(rule: RuleOutcome, culprits: Iterable[Case]) -> bool:
    """Whether the cases alone make the rule's outcome."""
    open_outcomes = {case.outcome for case in culprits}
    made: Outcome = "fail" if "fail" in open_outcomes else "inconclusive" if open_outcomes else "pass"
    return made == rule.outcome


def _finding(rule: RuleOutcome, place: Place, cases: list[Case]) -> Finding:
    worst = min(cases, key=_badness)
    status: Status = "waived" if worst.is_waived else _status(rule, worst.outcome)
    return Finding(rule, place, worst, len(cases), worst.outcome, status)


def _status(rule: RuleOutcome, outcome: Outcome) -> Status:
    if outcome == "pass":
        return "holds"
    if rule.severity == "warn":
        return "warns"
    return "fails" if outcome == "fail" else "undecided"


def _badness(case: Case) -> tuple[int, float]:
    """Smallest for the worst: open failures, what is open and not decided, what is waived, what holds."""
    rank = _ORDER.index(case.outcome) if not case.is_waived else len(_ORDER) - 1
    passed = case.outcome == "pass"
    estimate = case.estimate
    value = math.inf if estimate is None or not math.isfinite(estimate.value) else -estimate.value
    return 2 * rank + passed, value
