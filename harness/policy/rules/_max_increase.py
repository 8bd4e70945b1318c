"""The rule `max_increase`: a limit on how much more a compressed version leaks than the original."""

from __future__ import annotations

from collections.abc import Iterator

from harness.config import GateRule
from harness.policy._answerable import ORIGINAL, Answerable
from harness.policy.rules._limit import LimitRule
from harness.policy.rules._scope import sees
from harness.results import Measures
from harness.types import Estimate, View

__all__ = ["MaxIncrease"]


class MaxIncrease(LimitRule):
    """No attack on a compressed version exceeds the same on the original by more than the limit, in AUC."""

    def estimate(self, measures: Measures, rule: GateRule) -> Estimate | None:  # noqa: ARG002 - there is one increase
        """The AUC minus that on the original, on the same records."""
        return measures.versus_original

    def quantity(self, rule: GateRule) -> str:  # noqa: ARG002 - there is one increase
        """What is limited."""
        return "AUC difference from the original"

    def judges(self, view: View, rule: GateRule) -> bool:
        """The original itself is what the others are compared with."""
        return view.variants != (ORIGINAL,) and sees(view, rule)

    def problems(self, rule: GateRule, audit: Answerable) -> Iterator[str]:
        """Also an audit without an attack on the original to compare with."""
        if ORIGINAL not in audit.variants:
            yield f"max_increase: compares with {ORIGINAL!r}, which is no variant of this audit; add it, or use 'max'"
        elif "NR" not in audit.attacks.values():
            yield "max_increase: compares with an attack of NR on the original; add one to attack.names, or use 'max'"
        yield from super().problems(rule, audit)
