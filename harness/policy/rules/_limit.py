"""A limit on one estimate of every attack result, guarded against the search over results.

* **pass** needs every result's upper bound within the limit. If any true value were above it, that one interval would
  have had to miss, so no correction is needed.
* **fail** needs one result's lower bound above the limit, with the bound corrected for all results of its audit; or,
  where the rule fails when its figure is possibly above, an upper bound above it.
* anything else is **inconclusive**: these records show neither, or a figure is missing.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial

from harness.config import GateRule
from harness.policy._answerable import Answerable
from harness.policy._found import Found
from harness.policy._outcome import Case, RuleOutcome
from harness.policy.rules._judged import Judged
from harness.policy.rules._rule import Accept, Rule
from harness.policy.rules._scope import sees, unanswered, unanswered_problem, unknown_names, why_not
from harness.results import Measures
from harness.types import Estimate, View

__all__ = ["LimitRule"]

Cased = tuple[Judged, Case]


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

    def judged(self, rule: GateRule, found: Found) -> list[Judged]:
        """The figures that the rule is about, those of controls left out."""
        return [
            Judged(
                result.view,
                self.estimate(result, rule),
                self.estimate(result.simultaneous, rule),
                counts=(result.n_members, result.n_nonmembers),
            )
            for result in found.attacks.results
            if not result.is_control and self.judges(result.view, rule)
        ]

    def judge(self, rule: GateRule, found: Found, accept: Accept) -> RuleOutcome:
        """Pass if all upper bounds are within the limit, fail if a corrected lower bound is above it."""
        judged = self.judged(rule, found)
        # The order of results does not decide among equals.
        judged.sort(key=lambda one: (str(one.about), one.part, repr(one)))
        cases = [(one, accept(one.case(rule))) for one in judged]
        open_cases = [(one, case) for one, case in cases if not case.is_waived]
        outcome = (
            _failure(rule, open_cases)
            or self._gap(rule, judged, open_cases, found)
            or _open(rule, open_cases)
            or _pass(rule, open_cases)
        )
        return self.filled(rule, outcome, [case for _, case in cases])

    def unknown(self, rule: GateRule, audit: Answerable) -> Iterator[str]:
        """Devices, runtimes, variants and attacks."""
        return unknown_names(rule, audit)

    def problems(self, rule: GateRule, audit: Answerable) -> Iterator[str]:
        """Names that the audit does not have; without any, the first name that no view answers."""
        unknown = list(self.unknown(rule, audit))
        yield from unknown
        if unknown:
            return
        views = [view for view in audit.views() if self.judges(view, rule)]
        for field, name in unanswered(rule, views):
            yield unanswered_problem(field, name, rule, audit)
            return
        if not views:
            yield "adversary: " + "; ".join(why_not(adversary, rule, audit) for adversary in rule.adversary)

    def _gap(
        self, rule: GateRule, judged: Sequence[Judged], cases: Sequence[Cased], found: Found
    ) -> RuleOutcome | None:
        """Inconclusive where something that the rule is about has no figure."""
        outcome = partial(RuleOutcome, id=rule.id, name=rule.name, outcome="inconclusive")
        if not judged:
            return outcome(reason=self.nothing(rule, found))
        missing = [one for one, _ in cases if not one.known.is_known]
        if missing:
            first = ", ".join(filter(None, (str(missing[0].about), missing[0].part)))
            reason = f"{len(missing)} of {len(judged)} results have no {self.quantity(rule)}: {first}"
            return outcome(reason=reason, worst=missing[0].about)
        for field, name in self.unanswered(rule, judged):
            skipped = [one for one in found.attacks.skipped if (field, name) == ("attacks", one.attack)]
            why = next((f": {one.reason}" for one in skipped), "")
            return outcome(reason=f"{field}: no result that the rule judges is about {name!r}{why}")
        return None

    def nothing(self, rule: GateRule, found: Found) -> str:  # noqa: ARG002 - other kinds say more
        """Why nothing answers the rule."""
        return "no result of this audit answers the rule"

    def unanswered(self, rule: GateRule, judged: Sequence[Judged]) -> Iterator[tuple[str, str]]:
        """What the rule names and no result that it judges is about."""
        return iter(unanswered(rule, [one.about for one in judged if isinstance(one.about, View)]))


def _failure(rule: GateRule, cases: Sequence[Cased]) -> RuleOutcome | None:
    failed = [one for one, case in cases if case.outcome == "fail"]
    worst = max(failed, key=lambda one: (one.corrected_low > rule.limit, one.corrected_low, one.high), default=None)
    if worst is None:
        return None
    if worst.corrected_low > rule.limit:
        reason = f"{worst.subject} {worst.surely_above(rule)}"
    else:
        worst = max(failed, key=lambda one: one.high)
        reason = f"{len(failed)} of {len(cases)} results reach beyond {rule.limit:g}, widest {_figures(worst)}"
    return RuleOutcome(
        id=rule.id, name=rule.name, outcome="fail", reason=reason, estimate=worst.known, worst=worst.about
    )


def _open(rule: GateRule, cases: Sequence[Cased]) -> RuleOutcome | None:
    """Inconclusive where a figure is neither surely above the limit nor surely within."""
    undecided = [one for one, case in cases if case.outcome != "pass"]
    if not undecided:
        return None
    short = [one for one in undecided if one.is_short(rule)]
    unresolved = [one for one in undecided if not one.known.resolvable]
    over = [one for one in undecided if one.high > rule.limit]
    worst = (short or unresolved or [max(over or undecided, key=lambda one: one.high)])[0]
    if short:
        reason = f"{len(short)} of {len(cases)} results have too few records: {worst.subject} {worst.too_few(rule)}"
    elif unresolved:
        reason = f"{len(unresolved)} of {len(cases)} results cannot be resolved with n = {worst.known.n}: {worst.about}"
        reason += worst.needs
    elif math.isinf(worst.high):
        reason = f"an upper bound is not known: {_figures(worst)}"
    elif over:
        reason = f"{len(over)} of {len(cases)} results reach beyond {rule.limit:g}, widest {_figures(worst)}"
    else:
        reason = f"{len(undecided)} of {len(cases)} results cannot show it: {worst.subject}: {worst.doubt}"
    return RuleOutcome(
        id=rule.id, name=rule.name, outcome="inconclusive", reason=reason, estimate=worst.known, worst=worst.about
    )


def _pass(rule: GateRule, cases: Sequence[Cased]) -> RuleOutcome:
    outcome = partial(RuleOutcome, id=rule.id, name=rule.name, outcome="pass")
    if not cases:
        return outcome(reason="every result that the rule judges is waived")
    worst = max((one for one, _ in cases), key=lambda one: one.high)
    reason = f"all {len(cases)} results stay within {rule.limit:g}; closest {_figures(worst)}"
    return outcome(reason=reason, estimate=worst.known, worst=worst.about)


def _figures(one: Judged) -> str:
    return f"{one.subject} with {one.interval} (n = {one.known.n})"
