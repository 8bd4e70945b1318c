"""What every kind of rule does: judge what an audit found, and say beforehand why an audit cannot answer it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from harness.config import GateRule
from harness.policy._answerable import Answerable
from harness.policy._found import Found
from harness.policy._outcome import Case, RuleOutcome

__all__ = ["Accept", "Rule"]

# Gives a case the waiver that accepts it, where there is one.
Accept = Callable[[Case], Case]


class Rule(ABC):
    """One kind of rule. Whatever it does not know is no pass."""

    @abstractmethod
    def judge(self, rule: GateRule, found: Found, accept: Accept) -> RuleOutcome:
        """Hold what an audit found against the rule; the order of results does not matter."""

    @abstractmethod
    def unknown(self, rule: GateRule, audit: Answerable) -> Iterator[str]:
        """The names in the rule that the audit does not have: the field, what is wrong, and the mend."""

    @abstractmethod
    def problems(self, rule: GateRule, audit: Answerable) -> Iterator[str]:
        """Why the audit can never answer the rule: the field, what is wrong, and the mend; nothing where it can."""

    @abstractmethod
    def quantity(self, rule: GateRule) -> str:
        """What is limited, as a noun."""

    def filled(self, rule: GateRule, outcome: RuleOutcome, cases: Iterable[Case]) -> RuleOutcome:
        """The outcome with what stands in the rule itself, and with every case."""
        return replace(
            outcome,
            severity=rule.severity,
            quantity=self.quantity(rule),
            limit=rule.limit if math.isfinite(rule.limit) else None,
            cases=tuple(cases),
        )
