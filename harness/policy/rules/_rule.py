"""What every kind of rule does: judge what an audit found, and say beforehand why an audit cannot answer it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from harness.config import GateRule
from harness.policy._answerable import Answerable
from harness.policy._outcome import RuleOutcome
from harness.results import ArtifactResult, AttackFindings

__all__ = ["Rule"]


class Rule(ABC):
    """One kind of rule. Whatever it does not know is no pass."""

    @abstractmethod
    def judge(self, rule: GateRule, findings: AttackFindings, artifacts: Sequence[ArtifactResult]) -> RuleOutcome:
        """Hold what an audit found against the rule; the order of results does not matter."""

    @abstractmethod
    def problems(self, rule: GateRule, audit: Answerable) -> Iterator[str]:
        """Why the audit can never answer the rule: the field, what is wrong, and the mend; nothing where it can."""
