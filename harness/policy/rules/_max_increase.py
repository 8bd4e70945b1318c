"""The rule `max_increase`: a limit on how much more a compressed version leaks than the original."""

from __future__ import annotations

from collections.abc import Iterator

from harness.config import GateRule
from harness.policy._answerable import ORIGINAL, Answerable
from harness.policy.rules._limit import Judged, LimitRule
from harness.policy.rules._scope import sees
from harness.results import AttackFindings, Measures
from harness.types import Estimate, View

__all__ = ["MaxIncrease"]


class MaxIncrease(LimitRule):
    """No view of a compressed version exceeds the original alone by more than the limit, in AUC.

    The strongest attack in the view is held against the strongest on the original. A rule that names attacks holds
    each of them against the attack of its family on the original instead.
    """

    def judged(self, rule: GateRule, findings: AttackFindings) -> list[Judged]:
        """One increase a view; the named attacks' own differences where the rule names any."""
        if rule.attacks is not None:
            return [
                Judged(
                    result.view, result.versus_original, result.simultaneous.versus_original, result.versus_attack or ""
                )
                for result in findings.results
                if not result.is_control and self.judges(result.view, rule)
            ]
        return [
            Judged(increase.view, increase.difference, increase.simultaneous, increase.against)
            for increase in findings.increases
            if not increase.is_control and self.judges(increase.view, rule)
        ]

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
        for attack in rule.attacks or ():
            other = audit.counterparts.get(attack, attack)
            if attack in audit.attacks and other not in audit.attacks:
                mend = f"add {other!r} to attack.names" if other else "leave it out of the rule's attacks"
                yield f"max_increase: {attack!r} has no attack of its family on the original to compare with; {mend}"
        yield from super().problems(rule, audit)
