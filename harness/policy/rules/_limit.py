"""A limit on one estimate of every attack result, guarded against the search over results.

* **pass** needs every result's upper bound within the limit. If any true value were above it, that one interval would
  have had to miss, so no correction is needed.
* **fail** needs one result's lower bound above the limit, with the bound corrected for all results of its audit.
* anything else is **inconclusive**: these records show neither, or a figure is missing.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from harness.config import GateRule
from harness.policy._answerable import Answerable
from harness.policy._outcome import RuleOutcome
from harness.policy.rules._rule import Rule
from harness.policy.rules._scope import sees, unanswered, unanswered_problem, unknown_names, why_not
from harness.results import ArtifactResult, AttackFindings, Measures, Skipped
from harness.types import Estimate, TprEstimate, View

__all__ = ["Judged", "LimitRule"]


@dataclass(frozen=True)
class Judged:
    """One result's estimate, and the same at the level that holds for all figures of the audit at once.

    Args:
        view: what the estimate is about.
        estimate: None where there is none.
        corrected: the same at the corrected level.
        against: what it is compared with, where it is a difference.
    """

    view: View
    estimate: Estimate | None
    corrected: Estimate | None
    against: str = ""

    @property
    def subject(self) -> str:
        """What the estimate is about, as text."""
        return f"{self.view} against {self.against} on the original" if self.against else str(self.view)

    @property
    def known(self) -> Estimate:
        """The estimate; unknown where there is none."""
        return self.estimate or Estimate.unknown()

    @property
    def corrected_low(self) -> float:
        """The corrected lower bound; -inf where it is not known: such a result never fails a release."""
        estimate = self.corrected
        if estimate is None or not (estimate.resolvable and self.known.is_known and math.isfinite(estimate.low)):
            return -math.inf
        return estimate.low

    @property
    def high(self) -> float:
        """The upper bound; +inf where the value, an end of the interval or its level is not known."""
        estimate = self.known
        figures = (estimate.value, estimate.low, estimate.high, estimate.level)
        return max(estimate.value, estimate.high) if all(map(math.isfinite, figures)) else math.inf

    @property
    def interval(self) -> str:
        """Value and interval as text."""
        value, low, high = map(_figure, (self.known.value, self.known.low, self.known.high))
        return f"{value} [{low}, {high}]"


class LimitRule(Rule):
    """A kind that holds one estimate of every result against the rule's limit."""

    @abstractmethod
    def estimate(self, measures: Measures, rule: GateRule) -> Estimate | None:
        """The estimate that is limited; None where there is none."""

    @abstractmethod
    def quantity(self, rule: GateRule) -> str:
        """What is limited, as a noun."""

    def judges(self, view: View, rule: GateRule) -> bool:
        """Whether the rule is about this view."""
        return sees(view, rule)

    def judged(self, rule: GateRule, findings: AttackFindings) -> list[Judged]:
        """The figures that the rule is about, those of controls left out."""
        return [
            Judged(result.view, self.estimate(result, rule), self.estimate(result.simultaneous, rule))
            for result in findings.results
            if not result.is_control and self.judges(result.view, rule)
        ]

    def judge(
        self,
        rule: GateRule,
        findings: AttackFindings,
        artifacts: Sequence[ArtifactResult],  # noqa: ARG002 - of another kind's interest
    ) -> RuleOutcome:
        """Pass if all upper bounds are within the limit, fail if a corrected lower bound is above it."""
        judged = self.judged(rule, findings)
        judged.sort(key=repr)  # so that the order of results does not decide among equals
        return _failure(rule, judged) or self._gap(rule, judged, findings.skipped) or _comparison(rule, judged)

    def problems(self, rule: GateRule, audit: Answerable) -> Iterator[str]:
        """Names that the audit does not have; without any, the first name that no view answers."""
        unknown = list(unknown_names(rule, audit))
        yield from unknown
        if unknown:
            return
        views = [view for view in audit.views() if self.judges(view, rule)]
        for field, name in unanswered(rule, views):
            yield unanswered_problem(field, name, rule, audit)
            return
        if not views:
            yield "adversary: " + "; ".join(why_not(adversary, rule, audit) for adversary in rule.adversary)

    def _gap(self, rule: GateRule, judged: Sequence[Judged], skipped: Sequence[Skipped]) -> RuleOutcome | None:
        """Inconclusive where something that the rule is about has no figure."""
        outcome = partial(RuleOutcome, id=rule.id, name=rule.name, outcome="inconclusive")
        if not judged:
            return outcome(reason="no result of this audit answers the rule")
        missing = [one for one in judged if not one.known.is_known]
        if missing:
            reason = f"{len(missing)} of {len(judged)} results have no {self.quantity(rule)}: {missing[0].view}"
            return outcome(reason=reason, worst=missing[0].view)
        for field, name in unanswered(rule, [one.view for one in judged]):
            why = next((f": {one.reason}" for one in skipped if field == "attacks" and one.attack == name), "")
            return outcome(reason=f"{field}: no result that the rule judges is about {name!r}{why}")
        return None


def _failure(rule: GateRule, judged: Sequence[Judged]) -> RuleOutcome | None:
    worst = max(judged, key=lambda one: one.corrected_low, default=None)
    if worst is None or worst.corrected_low <= rule.limit:
        return None
    reason = (
        f"{worst.subject} has {worst.interval}; its bound, corrected for all figures of the audit, is "
        f"{worst.corrected_low:.3f} > {rule.limit:g} (n = {worst.known.n})"
    )
    return RuleOutcome(
        id=rule.id, name=rule.name, outcome="fail", reason=reason, estimate=worst.known, worst=worst.view
    )


def _comparison(rule: GateRule, judged: Sequence[Judged]) -> RuleOutcome:
    """Pass where all upper bounds are known and within the limit, else inconclusive."""
    unresolved = [one for one in judged if not one.known.resolvable]
    over = [one for one in judged if one.high > rule.limit]
    worst = unresolved[0] if unresolved else max(judged, key=lambda one: one.high)
    n, needed = worst.known.n, worst.known.needed_n
    figures = f"{worst.subject} with {worst.interval} (n = {n})"
    if unresolved:
        reason = f"{len(unresolved)} of {len(judged)} results cannot be resolved with n = {n}: {worst.view}"
        tied = worst.known.tied if isinstance(worst.known, TprEstimate) else 0.0
        reason += f"; needs n >= {needed}" if needed else ""
        reason += f"; {tied:.1%} of the non-members have one and the same score there" if tied else ""
    elif math.isinf(worst.high):
        reason = f"an upper bound is not known: {figures}"
    elif over:
        reason = f"{len(over)} of {len(judged)} results reach beyond {rule.limit:g}, widest {figures}"
    else:
        reason = f"all {len(judged)} results stay within {rule.limit:g}; closest {figures}"
    return RuleOutcome(
        id=rule.id,
        name=rule.name,
        outcome="inconclusive" if unresolved or over else "pass",
        reason=reason,
        estimate=worst.known,
        worst=worst.view,
    )


def _figure(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.3f}"
