"""One figure of an audit, and what a limit makes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.config import GateRule
from harness.policy._outcome import ArtifactName, Case, Outcome
from harness.types import Estimate, TprEstimate, View

__all__ = ["Judged"]


@dataclass(frozen=True)
class Judged:
    """One result's estimate, and the same at the level that holds for all figures of the audit at once.

    Args:
        about: what the estimate is about.
        estimate: None where there is none.
        corrected: the same at the corrected level.
        against: the attack that it is compared with, where it is a difference.
        base: where that attack was run, as part of a sentence.
        part: the records that it is about; empty for all of them.
        counts: members and non-members behind it, or one count of records.
        doubt: why the figure, whatever it is, cannot show that the limit is kept; empty where it can.
    """

    about: View | ArtifactName
    estimate: Estimate | None
    corrected: Estimate | None
    against: str = ""
    base: str = "the original"
    part: str = ""
    counts: tuple[int, ...] = ()
    doubt: str = ""

    @property
    def subject(self) -> str:
        """What the estimate is about, as text."""
        subject = f"{self.about}, {self.part}" if self.part else str(self.about)
        return f"{subject} against {self.against} on {self.base}" if self.against else subject

    @property
    def known(self) -> Estimate:
        """The estimate; unknown where there is none."""
        return self.estimate or Estimate.unknown()

    @property
    def corrected_low(self) -> float:
        """The corrected lower bound; -inf where it is not known: such a result never fails a release."""
        estimate = self.corrected
        if estimate is None or not (estimate.resolvable and self.known.is_known and math.isfinite(estimate.low)):
            return -math.inf
        return estimate.low

    @property
    def high(self) -> float:
        """The upper bound; +inf where the value, an end of the interval or its level is not known."""
        estimate = self.known
        figures = (estimate.value, estimate.low, estimate.high, estimate.level)
        return max(estimate.value, estimate.high) if all(map(math.isfinite, figures)) else math.inf

    @property
    def interval(self) -> str:
        """Value and interval as text."""
        value, low, high = map(_figure, (self.known.value, self.known.low, self.known.high))
        return f"{value} [{low}, {high}]"

    def is_short(self, rule: GateRule) -> bool:
        """Whether there are fewer records behind it than the rule asks for."""
        return rule.min_n is not None and min(self.counts, default=0) < rule.min_n

    def case(self, rule: GateRule) -> Case:
        """What the rule's limit makes of the figure."""
        outcome, reason = self._decided(rule)
        return Case(
            about=self.about,
            outcome=outcome,
            reason=reason,
            estimate=self.estimate,
            against=self.against,
            part=self.part,
        )

    def _decided(self, rule: GateRule) -> tuple[Outcome, str]:
        if self.is_short(rule):
            return "inconclusive", self.too_few(rule)
        if self.corrected_low > rule.limit:
            return "fail", self.surely_above(rule)
        if not self.known.is_known:
            return "inconclusive", "has no such figure"
        if not self.known.resolvable:
            return "inconclusive", f"cannot be resolved with n = {self.known.n}{self.needs}"
        if math.isinf(self.high):
            return "inconclusive", f"an upper bound is not known: {self.interval} (n = {self.known.n})"
        if self.high > rule.limit:
            outcome: Outcome = "fail" if rule.fails_when == "possibly_above" else "inconclusive"
            return outcome, f"{self.interval} reaches beyond {rule.limit:g} (n = {self.known.n})"
        if self.doubt:
            return "inconclusive", f"{self.interval} stays within {rule.limit:g}, and {self.doubt}"
        return "pass", ""

    def surely_above(self, rule: GateRule) -> str:
        """The figures of a failure, as the rest of a sentence."""
        return (
            f"has {self.interval}; its bound, corrected for all figures of the audit, is "
            f"{self.corrected_low:.3f} > {rule.limit:g} (n = {self.known.n})"
        )

    def too_few(self, rule: GateRule) -> str:
        """How many records there are, and how many the rule asks for, as the rest of a sentence."""
        if len(self.counts) == 2:
            has = f"{self.counts[0]} members and {self.counts[1]} non-members"
            return f"has {has}, and the rule asks for {rule.min_n} of each (min_n)"
        return f"has {min(self.counts, default=0)} records, and the rule asks for {rule.min_n} (min_n)"

    @property
    def needs(self) -> str:
        """What it would take to resolve the figure, as the end of a sentence."""
        needed = self.known.needed_n
        tied = self.known.tied if isinstance(self.known, TprEstimate) else 0.0
        text = f"; needs n >= {needed}" if needed else ""
        return text + (f"; {tied:.1%} of the non-members have one and the same score there" if tied else "")


def _figure(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.3f}"
