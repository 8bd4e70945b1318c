"""What to do next, for each outcome: what to release, what to change, how many records would decide."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from harness.policy import Case, RuleOutcome, Verdict
from harness.report import _format
from harness.report._clean import REASON_LIMIT, clean
from harness.report._files import files_of, together_of
from harness.report.headline import about_words, strongest_of
from harness.report.model import Report
from harness.types import TprEstimate

__all__ = ["culprits_of", "next_steps"]

# Names that are listed; the tables have all of them.
SHOWN = 4
# An interval that ends this close to the limit would need records beyond any audit.
MOST_TIMES = 400.0


def next_steps(report: Report) -> tuple[str, ...]:
    """One sentence a step, the first thing to do first."""
    verdict = report.verdict
    if report.null:
        return _after_null_twin(report)
    if verdict is None or not verdict.rules:
        return (
            "Write a policy: nothing was judged, so nothing is allowed. A rule such as “max = 0.6” in the gate's "
            "section of the configuration limits the AUC.",
        )
    steps = list(_lost(report))
    if verdict.outcome == "fail":
        steps += _after_fail(report, verdict)
    elif verdict.outcome == "inconclusive":
        steps += _after_inconclusive(verdict)
    elif verdict.decides_nothing:
        steps.append("Decide on limits: this policy warns and can fail nothing.")
    else:
        steps.append("Release the files of the table, and keep report.json: the next release can be compared with it.")
        steps.append("A pass is about these attacks, these records and these files; audit again after any change.")
    return (*steps, *_warned(verdict), *_waived(verdict))


def culprits_of(verdict: Verdict) -> tuple[tuple[RuleOutcome, Case], ...]:
    """Every case that keeps a deciding rule from holding, failures first."""
    pairs = [(rule, case) for rule in verdict.rules if rule.severity == "fail" for case in rule.culprits]
    return tuple(sorted(pairs, key=lambda pair: pair[1].outcome != "fail"))


def _after_null_twin(report: Report) -> tuple[str, ...]:
    strongest = strongest_of(report)
    if strongest is not None and strongest.headline.low > 0.5:
        return ("Do not rely on audits that are made this way until the false alarm is explained.",)
    return ("Run the audit itself: its twin raises no false alarm.",)


def _lost(report: Report) -> Iterator[str]:
    for device in report.devices.lost if report.devices else ():
        yield f"Bring {clean(device.name)} back and run the same command again: it goes on where it stopped."


def _after_fail(report: Report, verdict: Verdict) -> Iterator[str]:
    failing = [(rule, case) for rule, case in culprits_of(verdict) if case.outcome == "fail"]
    rows = [row for row in (*files_of(report), *together_of(report)) if not row.is_control]
    names = list(dict.fromkeys(row.name for row in rows if row.judged.outcome == "fail"))
    if names:
        yield f"Do not release {_listed(names, ', ')}."
    yield from _named(failing)
    if not failing:
        for rule in verdict.rules:
            if rule.severity == "fail" and rule.outcome == "fail":
                yield f"Do not release: {clean(rule.reason, limit=REASON_LIMIT)}."
    if expired := [case.waiver for _, case in failing if case.waiver is not None and case.waiver.is_expired]:
        owner, day = clean(expired[0].owner), clean(expired[0].expires)
        yield f"A waiver of {owner} expired on {day}: renew it, or fix what it accepts."
    passing = list(dict.fromkeys(row.name for row in rows if row.judged.outcome == "pass"))
    if safe := [name for name in passing if name not in names]:
        yield f"By themselves these pass: {_listed(safe, ', ')}."
    yield (
        "To leak less, train for fewer epochs, with more records or with differential privacy, or ship fewer variants; "
        "or accept a finding by a waiver with an owner, a reason and a date."
    )


def _after_inconclusive(verdict: Verdict) -> Iterator[str]:
    open_cases = [(rule, case) for rule, case in culprits_of(verdict) if case.outcome == "inconclusive"]
    yield from _named(open_cases)
    if not open_cases:
        for rule in verdict.rules:
            if rule.severity == "fail" and rule.outcome == "inconclusive":
                yield f"Not decided: {clean(rule.reason, limit=REASON_LIMIT)}."
    needed = [known for rule, case in open_cases if (known := _needed(rule, case)) is not None]
    if needed:
        number, what = max(needed)
        yield f"About {number:,} {what} would decide, if the figures stay as they are."
    else:
        yield "Audit more records of both roles: intervals shrink with the square root of their number."


def _named(cases: list[tuple[RuleOutcome, Case]]) -> Iterator[str]:
    """The first case with its figure, and how many more there are."""
    if not cases:
        return
    rule, case = cases[0]
    estimate = case.estimate
    known = estimate is not None and estimate.resolvable and math.isfinite(estimate.value)
    figure = f" has {_format.ratio(estimate.value)}" if estimate is not None and known else ""
    limit = "" if rule.limit is None else f" where the limit is {rule.limit:g}"
    words = "It fails" if case.outcome == "fail" else "It is not decided"
    more = f"; {len(cases) - 1} more are in the policy's section below" if len(cases) > 1 else ""
    yield f"{words} because {about_words(case.about)}{figure}{limit}{more}."


def _needed(rule: RuleOutcome, case: Case) -> tuple[int, str] | None:
    """How many records, and which, would bring the interval to one side of the limit if the value stayed."""
    estimate, limit = case.estimate, rule.limit
    if estimate is None:
        return None
    if estimate.needed_n is not None:
        return estimate.needed_n, "non-members" if isinstance(estimate, TprEstimate) else "records"
    if limit is None or not estimate.resolvable or not math.isfinite(estimate.value):
        return None
    half = (estimate.high if estimate.value < limit else estimate.low) - estimate.value
    distance = limit - estimate.value
    if not math.isfinite(half) or distance == 0.0 or half * distance <= 0.0:
        return None
    times = (half / distance) ** 2
    if not 1.0 < times < MOST_TIMES:
        return None
    step = 10 ** max(0, len(str(int(estimate.n * times))) - 2)
    return math.ceil(estimate.n * times / step) * step, "records, half of them members,"


def _warned(verdict: Verdict) -> Iterator[str]:
    names = [clean(rule.name, limit=REASON_LIMIT) for rule in verdict.warnings]
    if names:
        yield f"Look at what only warns: {_listed(names)}."


def _waived(verdict: Verdict) -> Iterator[str]:
    waivers = sorted(
        (case.waiver for rule in verdict.rules for case in rule.waived if case.waiver is not None),
        key=lambda waiver: waiver.expires,
    )
    if waivers:
        first = waivers[0]
        counted = _format.counted(len(waivers), "finding is waived", "findings are waived")
        yield f"{counted}; the first waiver, of {clean(first.owner)}, ends on {clean(first.expires)}."


def _listed(names: Sequence[str], between: str = "; ") -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return between.join(names[:SHOWN]) + more
