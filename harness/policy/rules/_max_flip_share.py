"""The rule `max_flip_share`: parity of every artifact with the reference."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from harness.config import GateRule
from harness.policy._answerable import Answerable
from harness.policy._found import Found
from harness.policy._outcome import ArtifactName, Case, RuleOutcome
from harness.policy.rules._rule import Accept, Rule
from harness.policy.rules._scope import (
    is_about,
    is_on,
    unanswered_devices,
    unknown_devices,
    unknown_runtimes,
    unknown_variants,
)
from harness.results import Parity
from harness.types import Estimate

__all__ = ["MaxFlipShare"]


class MaxFlipShare(Rule):
    """No artifact's top-1 class differs from the reference's on more than this share of records.

    It never fails a release. Broken parity means that the device runs something else than the reference: what was
    measured is then no evidence about the reference, either way.
    """

    def judge(self, rule: GateRule, found: Found, accept: Accept) -> RuleOutcome:
        """Pass if every artifact was compared and its share is within the limit, else inconclusive."""
        judged = [
            _Compared(ArtifactName(one.variant, one.runtime, one.device), one.parity)
            for one in found.artifacts
            if not one.is_control
            and one.variant in (rule.variants or (one.variant,))
            and is_about(one.device, rule)
            and is_on(one.runtime, rule)
        ]
        judged.sort(key=repr)  # so that the order of artifacts does not decide among equals
        cases = [(one, accept(one.case(rule))) for one in judged]
        open_cases = [one for one, case in cases if not case.is_waived]
        return self.filled(rule, self._outcome(rule, judged, open_cases), [case for _, case in cases])

    def _outcome(self, rule: GateRule, judged: Sequence[_Compared], unaccepted: Sequence[_Compared]) -> RuleOutcome:
        outcome = partial(RuleOutcome, id=rule.id, name=rule.name, outcome="inconclusive")
        if not any(one.is_known for one in judged):
            return outcome(reason="no artifact was compared with a reference")
        missing = [one for one in unaccepted if not one.is_known]
        if missing:
            reason = f"{len(missing)} of {len(judged)} artifacts were not compared with a reference: {missing[0].name}"
            return outcome(reason=reason, worst=missing[0].name)
        for variant in rule.variants or ():
            if all(one.name.variant != variant for one in judged):
                return outcome(reason=f"variants: no artifact of {variant!r} was compared with a reference")
        for pattern in unanswered_devices(rule, [one.name.device for one in judged]):
            return outcome(reason=f"device: no artifact on {pattern!r} was compared with a reference")
        for runtime in rule.runtime or ():
            if all(one.name.runtime != runtime for one in judged):
                return outcome(reason=f"runtime: no artifact on {runtime!r} was compared with a reference")
        if not unaccepted:
            return outcome(outcome="pass", reason="every artifact that the rule judges is waived")
        short = next((one for one in unaccepted if one.is_short(rule)), None)
        if short is not None:
            return outcome(reason=f"{short.name} {short.too_few(rule)}", worst=short.name)
        worst = max(unaccepted, key=lambda one: one.share)
        return outcome(
            outcome="pass" if worst.share <= rule.limit else "inconclusive",
            reason=f"{worst.name} {worst.figures}",
            worst=worst.name,
        )

    def quantity(self, rule: GateRule) -> str:  # noqa: ARG002 - there is one share
        """What is limited."""
        return "flip_share"

    def unknown(self, rule: GateRule, audit: Answerable) -> Iterator[str]:
        """Devices, runtimes and variants."""
        yield from unknown_devices(rule, audit)
        yield from unknown_runtimes(rule, audit)
        yield from unknown_variants(rule, audit)

    def problems(self, rule: GateRule, audit: Answerable) -> Iterator[str]:
        """No reference to compare with, or devices and variants that the audit does not have."""
        if not audit.has_reference:
            yield "max_flip_share: this audit compares with no reference; give it one, or leave the rule out"
        yield from self.unknown(rule, audit)


@dataclass(frozen=True)
class _Compared:
    """An artifact, and how far its answers lie from the reference's."""

    name: ArtifactName
    parity: Parity | None

    @property
    def is_known(self) -> bool:
        """Whether records were compared, and no answer was NaN."""
        one = self.parity
        return one is not None and math.isfinite(one.max_abs_difference) and 0 <= one.flips <= one.n and one.n > 0

    @property
    def share(self) -> float:
        return self.parity.flip_share if self.parity is not None and self.is_known else math.nan

    @property
    def n(self) -> int:
        return self.parity.n if self.parity is not None else 0

    @property
    def figures(self) -> str:
        return f"flips {self.share:.1%} of {self.n} records"

    def is_short(self, rule: GateRule) -> bool:
        return rule.min_n is not None and self.n < rule.min_n

    def too_few(self, rule: GateRule) -> str:
        return f"was compared on {self.n} records, and the rule asks for {rule.min_n} (min_n)"

    def case(self, rule: GateRule) -> Case:
        """What the rule's limit makes of it. The share is counted, so that there is no interval."""
        if not self.is_known:
            return Case(about=self.name, outcome="inconclusive", reason="was not compared with a reference")
        share = Estimate(self.share, math.nan, math.nan, self.n, "count")
        if self.is_short(rule):
            return Case(about=self.name, outcome="inconclusive", reason=self.too_few(rule), estimate=share)
        if self.share > rule.limit:
            return Case(about=self.name, outcome="inconclusive", reason=self.figures, estimate=share)
        return Case(about=self.name, outcome="pass", estimate=share)
