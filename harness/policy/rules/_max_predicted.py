"""The rule `max` of the leakage that the MIS indicator predicts for quantizers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist

from harness.config import GateRule
from harness.policy._answerable import Answerable
from harness.policy._found import Found
from harness.policy._outcome import ArtifactName
from harness.policy.rules._judged import Judged
from harness.policy.rules._limit import LimitRule
from harness.policy.rules._scope import is_about, is_on, near, unknown_devices
from harness.results import Measures, QuantizerMis, regime_of
from harness.types import Estimate

__all__ = ["MaxPredicted"]

# What says that the prediction may be too low, in words; a figure with one of them shows no limit to be kept.
DOUBTS = {
    "not_erm": "the deployed candidate is worse than the best of its rivals",
    "gauss_optimistic": "the exact exponent lies below 80% of r",
    "heavy_tails": "one record carries over a tenth of the spread",
    "few_points": "there are too few records to say that n r reaches 2",
}


class MaxPredicted(LimitRule):
    """No quantizer's predicted leakage is above the limit.

    The prediction is no bound: it covers the candidates that were generated, and no attack. So it can fail a release,
    and it passes one only where the estimate is in order (status ``ok``, no doubt flagged) and its lower end is in the
    regime in which r orders quantizers. The interval is that of r, carried over by the normal tail.
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
            (ArtifactName(row.quantizer, findings.runtime, device), row)
            for device, findings in found.mis.items()
            for row in findings.quantizers
        ]
        widened = _widened(len(rows))
        return [
            Judged(name, _predicted(row, 1.0), _predicted(row, widened), counts=(row.n_eval,), doubt=_doubt(row))
            for name, row in rows
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


def _widened(figures: int) -> float:
    """By how much the arms of an interval grow where so many hold at once, by Bonferroni."""
    level, normal = 0.95, NormalDist()
    return normal.inv_cdf(1.0 - (1.0 - level) / (2.0 * max(1, figures))) / normal.inv_cdf((1.0 + level) / 2.0)


def _predicted(row: QuantizerMis, widened: float) -> Estimate | None:
    """The predicted leakage with the interval of r, whose arms are widened; None where r was not estimated."""
    r, log_delta = row.r, row.best_log_delta
    if not (r.resolvable and math.isfinite(r.value) and math.isfinite(log_delta)):
        return None
    ends = (r.value - widened * (r.value - r.low), r.value + widened * (r.high - r.value))
    high, low = (_moved(log_delta, row, end) for end in ends)
    return Estimate(_moved(log_delta, row, r.value), low, high, row.n_eval, f"mis-{row.method}", r.level)


def _moved(log_delta: float, row: QuantizerMis, r: float) -> float:
    """The leakage where the indicator is ``r``: two candidates are mistaken with the chance Phi(-sqrt(2 n r)).

    Of K candidates none leaks more than 1 - 1/K.
    """
    if not math.isfinite(r):
        return math.nan
    moved = log_delta + _log_tail(row.n * max(0.0, r)) - _log_tail(row.n * max(0.0, row.r.value))
    return min(1.0 - 1.0 / max(2, row.k_eff), math.exp(min(0.0, moved)))


def _log_tail(n_r: float) -> float:
    """The logarithm of Phi(-sqrt(2 n r))."""
    tail = 0.5 * math.erfc(math.sqrt(n_r))
    return math.log(tail) if tail > 0.0 else -n_r - 0.5 * math.log(4.0 * math.pi * n_r)


def _doubt(row: QuantizerMis) -> str:
    """Why the prediction may be too low; empty where nothing says so."""
    if row.status != "ok":
        return f"the indicator's status is {row.status or 'not known'}"
    flagged = next((words for flag, words in DOUBTS.items() if flag in row.flags), "")
    if flagged:
        return flagged
    if not math.isfinite(row.r.low) or regime_of(row.n * row.r.low) == "local":
        return "n r may lie below 2, where the indicator orders no quantizers"
    return ""
