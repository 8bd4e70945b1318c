"""The rule `max_flip_share`: parity of every artifact with the reference."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

from harness.config import GateRule
from harness.policy._answerable import Answerable
from harness.policy._outcome import ArtifactName, RuleOutcome
from harness.policy.rules._rule import Rule
from harness.policy.rules._scope import is_about, unanswered_devices, unknown_devices, unknown_variants
from harness.results import ArtifactResult, AttackFindings, Parity

__all__ = ["MaxFlipShare"]


class MaxFlipShare(Rule):
    """No artifact's top-1 class differs from the reference's on more than this share of records.

    It never fails a release. Broken parity means that the device runs something else than the reference: what was
    measured is then no evidence about the reference, either way.
    """

    def judge(
        self,
        rule: GateRule,
        findings: AttackFindings,  # noqa: ARG002 - of another kind's interest
        artifacts: Sequence[ArtifactResult],
    ) -> RuleOutcome:
        """Pass if every artifact was compared and its share is within the limit, else inconclusive."""
        outcome = partial(RuleOutcome, id=rule.id, name=rule.name, outcome="inconclusive")
        judged = [
            (ArtifactName(one.variant, one.runtime, one.device), one.parity)
            for one in artifacts
            if not one.is_control and one.variant in (rule.variants or (one.variant,)) and is_about(one.device, rule)
        ]
        judged.sort(key=repr)  # so that the order of artifacts does not decide among equals
        compared = [(name, parity) for name, parity in judged if parity is not None and _is_known(parity)]
        if not compared:
            return outcome(reason="no artifact was compared with a reference")
        if len(compared) < len(judged):
            missing = next(name for name, parity in judged if parity is None or not _is_known(parity))
            count = len(judged) - len(compared)
            reason = f"{count} of {len(judged)} artifacts were not compared with a reference: {missing}"
            return outcome(reason=reason, worst=missing)
        for variant in rule.variants or ():
            if all(name.variant != variant for name, _ in compared):
                return outcome(reason=f"variants: no artifact of {variant!r} was compared with a reference")
        for pattern in unanswered_devices(rule, [name.device for name, _ in compared]):
            return outcome(reason=f"device: no artifact on {pattern!r} was compared with a reference")
        worst, parity = max(compared, key=lambda pair: pair[1].flip_share)
        reason = f"{worst} flips {parity.flip_share:.1%} of {parity.n} records"
        return outcome(
            outcome="pass" if parity.flip_share <= rule.limit else "inconclusive", reason=reason, worst=worst
        )

    def problems(self, rule: GateRule, audit: Answerable) -> Iterator[str]:
        """No reference to compare with, or devices and variants that the audit does not have."""
        if not audit.has_reference:
            yield "max_flip_share: this audit compares with no reference; give it one, or leave the rule out"
        yield from unknown_devices(rule, audit)
        yield from unknown_variants(rule, audit)


def _is_known(parity: Parity) -> bool:
    """Whether records were compared, and no answer was NaN."""
    return math.isfinite(parity.max_abs_difference) and 0 <= parity.flips <= parity.n and parity.n > 0
