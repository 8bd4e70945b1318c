"""The verdict for a terminal, whole: every rule with its reason, every case that keeps it from holding, and waivers."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from harness.policy import Case, RuleOutcome, Verdict
from harness.report import _format
from harness.report._clean import NOT_AVAILABLE, REASON_LIMIT, clean
from harness.report.writers.terminal_table import STYLES

__all__ = ["verdict"]


def verdict(judged: Verdict, *, name: str = "") -> RenderableType:
    """What the gate decided and why; nothing of it is cut off, and nothing is read as rich's markup.

    Args:
        judged: the gate's verdict.
        name: the audit's.
    """
    lines = [Text.assemble((judged.outcome.upper(), STYLES[judged.outcome]), f"  {clean(name)}" if name else "")]
    for rule in judged.rules:
        lines += _rule(rule)
    lines += [
        Text(f"{word}: {clean(text, limit=REASON_LIMIT)}")
        for word, text in (("Policy", judged.policy), ("Baseline", judged.baseline))
        if text
    ]
    for line in lines:
        line.overflow = "fold"
    return Group(*lines)


def _rule(rule: RuleOutcome) -> Iterator[Text]:
    word = "warn" if rule.severity == "warn" and rule.outcome != "pass" else rule.outcome
    head = clean(rule.id) if rule.id == rule.name else f"{clean(rule.id)}: {clean(rule.name, limit=REASON_LIMIT)}"
    place = f" ({clean(rule.file)}:{rule.line})" if rule.file and rule.line else ""
    yield Text.assemble((word, STYLES[rule.outcome]), f" {head}{place}")
    if rule.reason:
        yield Text(f"  {clean(rule.reason, limit=REASON_LIMIT)}")
    for case in rule.culprits:
        yield Text.assemble("  - ", (case.outcome, STYLES[case.outcome]), f" {_case(case, rule)}")
        if case.waiver is not None:
            yield Text(f"    its waiver by {_waiver(case)} has expired")
    for case in rule.waived:
        yield Text.assemble("  - ", ("waived", "bold"), f" {_case(case, rule)}")
        yield Text(f"    by {_waiver(case)}")


def _case(case: Case, rule: RuleOutcome) -> str:
    """View, figure with interval and n, and limit; the reason where there is no figure."""
    about = clean(str(case.about), limit=REASON_LIMIT) + (f" against {clean(case.against)}" if case.against else "")
    estimate = case.estimate
    figure = _format.interval(estimate)
    if estimate is None or figure == NOT_AVAILABLE:
        return f"{about}: {clean(case.reason, limit=REASON_LIMIT)}"
    limit = "" if rule.limit is None else f", limit {rule.limit:g}"
    quantity = f"{clean(rule.quantity)} " if rule.quantity else ""
    return f"{about}: {quantity}{figure} (n = {estimate.n}{limit})"


def _waiver(case: Case) -> str:
    waiver = case.waiver
    if waiver is None:
        return NOT_AVAILABLE
    return f"{clean(waiver.owner)} until {clean(waiver.expires)}: {clean(waiver.reason, limit=REASON_LIMIT)}"
