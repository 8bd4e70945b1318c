"""The rule `max`: a limit on a metric of every attack result."""

from __future__ import annotations

from collections.abc import Iterator

from harness.config import GateRule
from harness.policy._answerable import Answerable
from harness.policy.rules._limit import LimitRule
from harness.results import Measures
from harness.types import Estimate, rate_key

__all__ = ["Max"]


class Max(LimitRule):
    """No attack does better than the limit."""

    def estimate(self, measures: Measures, rule: GateRule) -> Estimate | None:
        """The metric that the rule names."""
        if rule.at_fpr is not None:
            return measures.tpr_at_fpr.get(rate_key(rule.at_fpr))
        estimate: Estimate = getattr(measures, rule.metric)
        return estimate

    def quantity(self, rule: GateRule) -> str:
        """The metric by its name, e.g. ``tpr_at_fpr[0.01]``."""
        return rule.metric if rule.at_fpr is None else f"{rule.metric}[{rate_key(rule.at_fpr)}]"

    def problems(self, rule: GateRule, audit: Answerable) -> Iterator[str]:
        """Also a false-positive rate at which nothing is measured."""
        if rule.at_fpr is not None and rate_key(rule.at_fpr) not in map(rate_key, audit.fprs):
            listed = ", ".join(map(rate_key, audit.fprs)) or "nothing"
            yield f"at_fpr: {rate_key(rule.at_fpr)} is not measured; add it to attack.fprs, which lists {listed}"
        yield from super().problems(rule, audit)
