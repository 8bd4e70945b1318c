"""The rule `max` of the leakage that the MIS indicator predicts for quantizers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.config import GateRule
from harness.policy._answerable import Answerable
from harness.policy._found import Found
from harness.policy._outcome import ArtifactName
from harness.policy.rules._judged import Judged
from harness.policy.rules._limit import LimitRule
from harness.policy.rules._scope import is_about, is_on, near, unknown_devices
from harness.results import CANDIDATES, Measures, MisFindings, QuantizerMis, bonferroni_growth
from harness.types import Estimate

__all__ = ["MaxPredicted"]

# Of the intervals that are widened.
LEVEL = 0.95
# What says that the prediction may be too low, in words; a figure with one of them shows no limit to be kept.
CONTRADICTED = "contradicted_by_attack"
DOUBTS = {
    CONTRADICTED: "an attack on the same variant shows more leakage than was predicted",
    "float_format": "a float format has no finite set of codes, and its candidates say little about it",
    "not_erm": "the deployed candidate is worse than the best of its rivals",
    "gauss_optimistic": "the exact exponent lies below 80% of r",
    "heavy_tails": "one record carries over a tenth of the spread",
}


class MaxPredicted(LimitRule):
    """No quantizer's predicted leakage is above the limit.

    The prediction is no bound: it covers what was generated. So it can fail a release, by its lower end or by what an
    attack on the same variant shows, and it passes one only where the upper end is within the limit for all quantizers
    at once and the estimate is in order: status ``ok``, no doubt flagged.
    """

    def estimate(self, measures: Measures, rule: GateRule) -> Estimate | None:  # noqa: ARG002 - no attack is judged
        """Attacks have none."""
        return None

    def quantity(self, rule: GateRule) -> str:  # noqa: ARG002 - there is one prediction
        """What is limited."""
        return "mis_delta"

    def judged(self, rule: GateRule, found: Found) -> list[Judged]:
        """One figure a quantizer and device; corrected for all quantizers of the audit."""
        rows = [
            (ArtifactName(row.quantizer, findings.runtime, device), row, _doubt(row, findings))
            for device, findings in found.mis.items()
            for row in findings.quantizers
        ]
        widened = bonferroni_growth(LEVEL, len(rows))
        # Both ends are those that hold for all quantizers at once: a pass is a claim about every one of them.
        predicted = ((name, row, doubt, _predicted(row, widened)) for name, row, doubt in rows)
        return [
            Judged(name, estimate, estimate, counts=(row.n_eval,), doubt=doubt)
            for name, row, doubt, estimate in predicted
            if name.variant in (rule.quantizers or (name.variant,))
            and is_about(name.device, rule)
            and is_on(name.runtime, rule)
        ]

    def unanswered(self, rule: GateRule, judged: Sequence[Judged]) -> Iterator[tuple[str, str]]:
        """Quantizers and runtimes that the rule names and that have no estimate."""
        names = [one.about for one in judged if isinstance(one.about, ArtifactName)]
        for quantizer in rule.quantizers or ():
            if all(name.variant != quantizer for name in names):
                yield "quantizers", quantizer
        for runtime in rule.runtime or ():
            if all(name.runtime != runtime for name in names):
                yield "runtime", runtime

    def nothing(self, rule: GateRule, found: Found) -> str:  # noqa: ARG002 - whatever the rule is
        """Why nothing answers the rule."""
        return "no quantizer was probed" if not found.mis else "no quantizer that the rule names was probed"

    def problems(self, rule: GateRule, audit: Answerable) -> Iterator[str]:
        """No quantizer is probed, or not the ones that the rule names."""
        if not audit.quantizers:
            yield "metric: 'mis_delta' is predicted for quantizers, and this audit probes none; add [mis] quantizers"
            return
        yield from self.unknown(rule, audit)

    def unknown(self, rule: GateRule, audit: Answerable) -> Iterator[str]:
        """Devices and quantizers."""
        yield from unknown_devices(rule, audit)
        for quantizer in rule.quantizers or ():
            if audit.quantizers and quantizer not in audit.quantizers:
                yield f"quantizers: {quantizer!r} is not probed in this audit; {near(quantizer, audit.quantizers)}"


def _predicted(row: QuantizerMis, widened: float) -> Estimate | None:
    """The predicted leakage, the arms of its interval widened on the scale of logarithms; None where there is none.

    What an attack shows at least needs no widening: its interval holds for all attacks at once already.
    """
    if not row.leakage.is_probed:
        return None
    value, low, high = row.leakage.logs
    shown = 0.0 if row.witness is None else row.witness.advantage.low
    lower = max(_widened_end(value, low, widened), shown if shown > 0.0 else 0.0)
    return replace(row.leakage.delta, low=min(lower, row.leakage.delta.value), high=_widened_end(value, high, widened))


def _widened_end(value: float, end: float, widened: float) -> float:
    """One end of the interval, moved away from the value; both are logarithms, either may be minus infinity."""
    return math.exp(min(0.0, value + widened * (end - value))) if math.isfinite(value) else math.exp(min(0.0, end))


def _doubt(row: QuantizerMis, findings: MisFindings) -> str:
    """Why the prediction may be too low; empty where nothing says so."""
    flagged = next((words for flag, words in DOUBTS.items() if flag in row.flags), "")
    if flagged:
        return flagged
    if row.leakage.status != "ok":
        needed = row.leakage.needed_records
        more = f"; about {needed:,} evaluation records are needed, there are {row.n_eval:,}" if needed else ""
        return f"the status of the prediction is {row.leakage.status or 'not known'}{more}"
    if row.leakage.law == CANDIDATES:
        return "it covers the candidates alone, which are few of the codes; take generator bootstrap-last"
    refuted = next((one.quantizer for one in findings.quantizers if CONTRADICTED in one.flags), "")
    if refuted and row.witness is None:
        return f"no attack was held against it, and the prediction of {refuted}, made in the same way, is refuted"
    return ""
