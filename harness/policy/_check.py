"""Before an audit starts: every rule of its policy can be answered by what it will measure."""

from __future__ import annotations

from harness.config import GateConfig
from harness.errors import ConfigError
from harness.policy._answerable import Answerable
from harness.policy.rules import kind_of

__all__ = ["check"]


def check(policy: GateConfig, audit: Answerable) -> None:
    """Refuse a policy of which a rule can never be answered: such an audit could only end inconclusive.

    Args:
        policy: the rules.
        audit: what the audit will measure.

    Raises:
        ConfigError: names each such rule's id, its field and the mend.
    """
    problems = [
        f"gate rule {rule.id!r}: {problem}" for rule in policy.rules for problem in kind_of(rule).problems(rule, audit)
    ]
    if problems:
        raise ConfigError("; ".join(problems))
