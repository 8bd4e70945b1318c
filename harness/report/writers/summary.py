"""The report as Markdown that a pull request shows: the first sentence, the rules, what does not hold, the files."""

from __future__ import annotations

import math
from collections.abc import Mapping

from harness.policy import RuleOutcome, Verdict, Waiver
from harness.report import _format
from harness.report._clean import NOT_AVAILABLE, REASON_LIMIT
from harness.report._mis_words import mis_sentences, mis_status
from harness.report._tables import mis_delta, mis_n_r, mis_rank, mis_rate
from harness.report._words import made_by, null_twin_warning
from harness.report.headline import headline
from harness.report.model import ArtifactRow, Report
from harness.report.pictures import Curve
from harness.report.writers._findings import Finding, Place, Status, findings
from harness.report.writers._markdown import escape, fitted, table
from harness.results import ArtifactResult, Result
from harness.types import Estimate

__all__ = ["BYTES_MAX", "render"]

# GitHub drops a step's summary whole where it is above 1 MiB, and other commands of the step may write to it too.
BYTES_MAX = 900_000
WORDS: Mapping[Status, str] = {
    "fails": "fails",
    "undecided": "is not decided",
    "warns": "warns",
    "waived": "is waived",
    "holds": "holds",
}


def render(report: Report, _curves: Mapping[str, Curve]) -> str:
    """The Markdown, at most :data:`BYTES_MAX` bytes; every text of the report is escaped and is no markup."""
    found = findings(report)
    lines = [f"## edgeleak: {escape(report.name)}", "", _sentence(headline(report).text), ""]
    if warning := null_twin_warning(report):
        lines += [f"**{_sentence(warning)}**", ""]
    lines += [f"**{_verdict(report.verdict)}**", ""]
    if report.verdict is not None:
        lines += _rules(report.verdict)
    lines += _open(found)
    lines += _waived(report.verdict)
    lines += _lost(report)
    lines += _files(report)
    lines += _quantizers(report)
    if made := made_by(report):
        lines += [
            f"Made by {_sentence(made)}. The run's report.html and report.json hold the rest.",
            "",
        ]
    return fitted("\n".join(lines), BYTES_MAX)


def _verdict(verdict: Verdict | None) -> str:
    if verdict is None:
        return "No verdict: nothing was judged"
    policy = f" under {_sentence(verdict.policy)}" if verdict.policy else ""
    baseline = f"; changes against {_sentence(verdict.baseline)}" if verdict.baseline else ""
    return f"{verdict.outcome.capitalize()}{policy}{baseline}"


def _rules(verdict: Verdict) -> list[str]:
    if not verdict.rules:
        return ["The policy has no rules.", ""]
    titles = ("Rule", "Outcome", "Deciding figure", "Limit", "n", "Why")
    return table(titles, [_rule(rule) for rule in verdict.rules], right=(2, 3, 4))


def _rule(rule: RuleOutcome) -> tuple[str, ...]:
    outcome = rule.outcome if rule.severity == "fail" or rule.outcome == "pass" else f"{rule.outcome} (warning only)"
    waived = f", {len(rule.waived)} waived" if rule.waived else ""
    limit = "" if rule.limit is None or not math.isfinite(rule.limit) else f"{rule.limit:g}"
    count = str(rule.estimate.n) if rule.estimate is not None and rule.estimate.n else ""
    return escape(rule.name), outcome + waived, _figure(rule.estimate), limit, count, _sentence(rule.reason)


def _open(found: tuple[Finding, ...]) -> list[str]:
    rows = [one for one in found if one.status in ("fails", "undecided", "warns")]
    if not rows:
        return []
    cells = [
        (
            _sentence(str(one.place)),
            escape(one.rule.name),
            WORDS[one.status],
            _figure(one.estimate),
            _sentence(one.reason),
        )
        for one in sorted(rows, key=lambda one: list(WORDS).index(one.status))
    ]
    return ["### What does not hold", *table(("On", "Rule", "It", "Figure", "Why"), cells, right=(3,))]


def _waived(verdict: Verdict | None) -> list[str]:
    """Everything that somebody accepted, also where something else at its place is open, and waivers that expired."""
    groups: dict[tuple[str, str, Waiver], int] = {}
    for rule in verdict.rules if verdict else ():
        for case in rule.cases:
            if case.waiver is not None and case.outcome != "pass":
                key = (rule.name, str(Place.of(case.about)), case.waiver)
                groups[key] = groups.get(key, 0) + 1
    cells = [
        (
            _sentence(place),
            escape(name),
            str(count),
            escape(waiver.owner),
            _sentence(waiver.reason),
            escape(waiver.expires) + (" (expired)" if waiver.is_expired else ""),
        )
        for (name, place, waiver), count in groups.items()
    ]
    titles = ("On", "Rule", "Results", "Accepted by", "Because", "Until")
    return ["### Waivers", *table(titles, cells, right=(2,))] if cells else []


def _lost(report: Report) -> list[str]:
    lost = report.devices.lost if report.devices else ()
    cells = [(escape(one.name), _sentence(", ".join(one.missing)), _sentence(one.reason)) for one in lost]
    return ["### Devices that did not finish", *table(("Device", "Lacks", "Why"), cells)] if cells else []


def _files(report: Report) -> list[str]:
    rows = [(row, _strongest(row)) for row in report.artifact_rows()]
    if not rows:
        return []
    several = report.devices is not None
    titles = ("File", "Runtime", *(("Device",) if several else ()), "Size", "Accuracy gap", "AUC", "Strongest attack")
    cells = []
    for row, strongest in rows:
        artifact = row.artifact
        place = (escape(artifact.runtime), *((escape(artifact.device),) if several else ()))
        figures = (_format.bytes_text(artifact.size_bytes), _gap(artifact))
        found = (_figure(strongest.headline), escape(strongest.attack)) if strongest else (NOT_AVAILABLE, "")
        cells.append((escape(row.name), *place, *figures, *found))
    first = 2 + several
    note = "AUC with the interval that holds for all figures of the audit at once; of the attacks that see this file."
    return ["### Files", *table(titles, cells, right=(first, first + 1, first + 2)), note, ""]


def _quantizers(report: Report) -> list[str]:
    """The predicted leakages in their order, and what can be said of it."""
    found = report.mis
    if found is None or not found.quantizers:
        return []
    cells = [
        (
            mis_rank(found, row),
            escape(row.quantizer),
            _sentence(mis_delta(row)),
            _sentence(mis_rate(row)),
            mis_n_r(row),
            _sentence(mis_status(row)),
        )
        for row in found.ranked()
    ]
    titles = ("Rank", "Quantizer", "Predicted Δ", "r, nats per record", "n · r", "Status")
    says = " ".join(_sentence(sentence) for sentence in mis_sentences(found))
    return ["### Predicted leakage of quantizers (MIS)", *table(titles, cells, right=(0, 2, 3, 4)), says, ""]


def _strongest(row: ArtifactRow) -> Result | None:
    """The strongest attack that sees the file, alone or beside the original."""
    known = [one for one in (row.nr, row.sr) if one is not None and math.isfinite(one.headline.value)]
    return max(known, key=lambda one: one.headline.value, default=row.nr or row.sr)


def _gap(artifact: ArtifactResult) -> str:
    """By how much the file is more accurate on members, without which some attacks find nothing."""
    members, others = artifact.accuracy_members, artifact.accuracy_nonmembers
    if members is None or others is None or not (math.isfinite(members.value) and math.isfinite(others.value)):
        return NOT_AVAILABLE
    return f"{100 * (members.value - others.value):+.1f}%"


def _figure(estimate: Estimate | None) -> str:
    return "" if estimate is None else _format.interval(estimate)


def _sentence(text: str) -> str:
    return escape(text, limit=REASON_LIMIT)
