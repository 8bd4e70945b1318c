"""The rule `max_increase`: a limit on how much more a compressed version leaks than the original."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from harness.config import GateRule
from harness.policy._answerable import ORIGINAL, Answerable
from harness.policy._found import Found
from harness.policy.rules._judged import Judged
from harness.policy.rules._limit import LimitRule
from harness.policy.rules._scope import sees
from harness.results import Increase, Measures
from harness.types import Estimate, View

__all__ = ["MaxIncrease"]


class MaxIncrease(LimitRule):
    """No view of a compressed version exceeds the original alone by more than the limit, in AUC.

    The strongest attack in the view is held against the strongest on the original. A rule that names attacks holds
    each of them against the attack of its family on the original instead. A rule against the baseline holds every
    view, the original's own too, against the same view of that audit: the strongest attack against the strongest
    there, or each attack that it names against itself.
    """

    def judged(self, rule: GateRule, found: Found) -> list[Judged]:
        """One increase a view; the named attacks' own differences where the rule names any."""
        if rule.against == "baseline":
            return self._over_the_baseline(rule, found)
        if rule.attacks is not None:
            return [
                Judged(
                    result.view,
                    result.versus_original,
                    result.simultaneous.versus_original,
                    result.versus_attack or "",
                    counts=(result.n_members, result.n_nonmembers),
                )
                for result in found.attacks.results
                if not result.is_control and self.judges(result.view, rule)
            ]
        return self._of(found.attacks.increases, rule, found)

    def _over_the_baseline(self, rule: GateRule, found: Found) -> list[Judged]:
        if found.baseline is None:
            return []
        increases = found.baseline.each if rule.attacks is not None else found.baseline.strongest
        return [replace(one, base=found.baseline.name) for one in self._of(increases, rule, found)]

    def _of(self, increases: Iterable[Increase], rule: GateRule, found: Found) -> list[Judged]:
        return [
            Judged(
                increase.view,
                increase.difference,
                increase.simultaneous,
                increase.against,
                counts=found.counts(increase.view),
            )
            for increase in increases
            if not increase.is_control and self.judges(increase.view, rule)
        ]

    def nothing(self, rule: GateRule, found: Found) -> str:
        """Also where there is no baseline."""
        if rule.against == "baseline" and found.baseline is None:
            return "the baseline was not read, so nothing is compared with it"
        return super().nothing(rule, found)

    def estimate(self, measures: Measures, rule: GateRule) -> Estimate | None:  # noqa: ARG002 - there is one increase
        """The AUC minus that on the original, on the same records."""
        return measures.versus_original

    def quantity(self, rule: GateRule) -> str:
        """What is limited."""
        return f"AUC difference from the {rule.against}"

    def judges(self, view: View, rule: GateRule) -> bool:
        """The original itself is what the others are compared with, unless there is a baseline for it too."""
        return (rule.against == "baseline" or view.variants != (ORIGINAL,)) and sees(view, rule)

    def problems(self, rule: GateRule, audit: Answerable) -> Iterator[str]:
        """Also an audit without an attack on the original to compare with."""
        if rule.against == "baseline":
            yield from super().problems(rule, audit)
            return
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
