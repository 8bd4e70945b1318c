"""The first sentences of every output: what was found, then what compression adds, then whether it is allowed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.policy import RuleOutcome, Verdict
from harness.report import _format
from harness.report._clean import REASON_LIMIT, clean
from harness.report._increases import answer
from harness.report.model import Report, by_auc
from harness.results import Result
from harness.types import Estimate

__all__ = ["Headline", "headline"]

# Where attacks have nothing to find.
CHANCE_AUC = 0.5


@dataclass(frozen=True)
class Headline:
    """What an audit found, in plain words, and what was decided about it; every text is clean.

    Args:
        found: whether members can be told from non-members, and how well.
        compression: what compression adds; empty where nothing was compared with the original.
        decided: the verdict and the limit that it was made by.
    """

    found: str
    compression: str
    decided: str

    @property
    def text(self) -> str:
        """All of it as one paragraph."""
        return " ".join(filter(None, (self.found, self.compression, self.decided)))


def headline(report: Report) -> Headline:
    """Say what a report found before whether it is allowed.

    Args:
        report: what an audit found, of one device or of several.
    """
    return Headline(_found(report), _compression(report), _decided(report.verdict))


def _found(report: Report) -> str:
    ranked = [one for one in by_auc(report.attacks.results) if not one.is_control and one.headline.is_known]
    if not ranked:
        return "Nothing was measured: no attack has a result."
    strongest = ranked[0]
    estimate = strongest.headline
    if not (estimate.resolvable and math.isfinite(estimate.value)):
        return f"These {estimate.n} records are too few to say whether members can be told from non-members."
    figures = f"the strongest attack ({clean(str(strongest.view))}) reaches AUC {_interval(estimate)}"
    if any(one.headline.resolvable and one.headline.low > CHANCE_AUC for one in ranked):
        return f"Members can be told from non-members: {figures}{_rate(strongest)}."
    return f"These {estimate.n} records do not show that members can be told from non-members: {figures}."


def _rate(result: Result) -> str:
    """What the attack finds at the lowest false-positive rate that the records resolve."""
    rates = [(float(rate), estimate) for rate, estimate in result.simultaneous.tpr_at_fpr.items()]
    known = [(rate, one) for rate, one in rates if one.resolvable and math.isfinite(one.value)]
    if not known:
        return ""
    rate, estimate = min(known, key=lambda pair: pair[0])
    return f"; at {_format.percent(rate)} false alarms it finds {_format.percent(estimate.value)} of them"


def _compression(report: Report) -> str:
    compared = [one for one in report.attacks.increases if not one.is_control and one.simultaneous.is_known]
    if not compared:
        return ""
    largest = max(compared, key=lambda one: _or_lowest(one.simultaneous.value))
    more = [one for one in compared if answer(one) == "more"]
    if more:
        worst = max(more, key=lambda one: one.simultaneous.value)
        seen = clean(" + ".join(worst.view.variants))
        return (
            f"Compression adds leakage: whoever sees {seen} gains {worst.simultaneous.value:+.2f} AUC "
            f"[{worst.simultaneous.low:+.2f}, {worst.simultaneous.high:+.2f}] over the original alone."
        )
    highs = [one.simultaneous.high for one in compared if math.isfinite(one.simultaneous.high)]
    if not highs or not math.isfinite(largest.simultaneous.value):
        return "Whether compression adds leakage cannot be resolved with these records."
    return f"Compression adds nothing measurable (at most {max(highs):+.2f} AUC)."


def _decided(verdict: Verdict | None) -> str:
    if verdict is None:
        return "No verdict: nothing was judged."
    deciding = [rule for rule in verdict.rules if rule.severity == "fail"]
    if verdict.decides_nothing and verdict.rules:
        warned = f", {_format.counted(len(verdict.warnings), 'warning')}" if verdict.warnings else ""
        return f"Report only: no rule of this policy can fail a release{warned}."
    if verdict.outcome == "pass":
        return _passed(verdict, deciding)
    culprits = [rule for rule in deciding if rule.outcome == verdict.outcome]
    word = "Fail" if verdict.outcome == "fail" else "Inconclusive"
    more = f" and {len(culprits) - 1} more" if len(culprits) > 1 else ""
    return f"{word}: {clean(culprits[0].name, limit=REASON_LIMIT)}{more}." if culprits else f"{word}."


def _passed(verdict: Verdict, deciding: list[RuleOutcome]) -> str:
    waived = sum(len(rule.waived) for rule in deciding)
    accepted = f"; {_format.counted(waived, 'finding')} waived" if waived else ""
    warned = f"; {_format.counted(len(verdict.warnings), 'warning')}" if verdict.warnings else ""
    limits = [rule.limit for rule in deciding if rule.quantity == "auc" and rule.limit is not None]
    if len(deciding) == 1 and limits:
        return f"Pass under your limit of {limits[0]:g}{accepted}{warned}."
    return f"Pass: {_format.counted(len(deciding), 'rule')} held{accepted}{warned}."


def _interval(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def _or_lowest(value: float) -> float:
    return value if math.isfinite(value) else -math.inf
