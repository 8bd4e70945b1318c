"""The verdict as SARIF 2.1.0, for code scanning: what keeps rules from holding, at the lines where they are written."""

from __future__ import annotations

import hashlib
import json
import math
import posixpath
import re
from collections.abc import Mapping

from harness.policy import RuleOutcome, Waiver, exit_code
from harness.report._clean import REASON_LIMIT, clean
from harness.report.headline import headline
from harness.report.model import Report
from harness.report.pictures import Curve
from harness.report.writers._findings import Finding, Status, findings

__all__ = ["render"]

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
# Every result is of the kind `fail`: viewers leave the others out, and what is not decided would look like a pass.
LEVELS: Mapping[Status, str] = {"fails": "error", "undecided": "error", "warns": "warning", "waived": "note"}
# Where a rule is written in no file: a result without a place is refused by code scanning.
FALLBACK_FILE = "audit.toml"
LONGEST_PATH = 1000
IDENTIFIER_MAX = 100


def render(report: Report, _curves: Mapping[str, Curve]) -> str:
    """One SARIF log in ASCII with one run; a result is one rule on one device's variants.

    The log has no results for what holds: code scanning shows every result as an alert.
    """
    return json.dumps(_log(report), indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def _log(report: Report) -> dict[str, object]:
    found = findings(report)
    rules = list({finding.rule.id: finding.rule for finding in found}.values())
    places = {rule.id: place for place, rule in enumerate(rules)}
    results = [_result(report, one, places[one.rule.id]) for one in found if one.status != "holds"]
    driver: dict[str, object] = {
        "name": "edgeleak",
        "version": clean(report.edgeleak),
        "rules": [_descriptor(rule) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"edgeleak/{_identifier(report.name)}/"},
        "invocations": [_invocation(report)],
        "originalUriBaseIds": {"SRCROOT": {"description": {"text": "The folder that edgeleak was run in."}}},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _invocation(report: Report) -> dict[str, object]:
    verdict = report.verdict
    lost = report.devices.lost if report.devices else ()
    invocation: dict[str, object] = {
        "executionSuccessful": verdict is not None and not lost,
        "exitCodeDescription": _text(headline(report).text),
    }
    if verdict is not None:
        invocation["exitCode"] = exit_code(verdict)
    if lost:
        invocation["toolExecutionNotifications"] = [
            {"level": "error", "message": {"text": _text(f"{clean(one.name)} was lost: {clean(one.reason)}")}}
            for one in lost
        ]
    return invocation


def _descriptor(rule: RuleOutcome) -> dict[str, object]:
    limit = "" if rule.limit is None or not math.isfinite(rule.limit) else f" The limit is {rule.limit:g}."
    quantity = f" It limits {clean(rule.quantity)}." if rule.quantity else ""
    return {
        "id": _identifier(rule.id),
        "shortDescription": {"text": _text(clean(rule.name, limit=REASON_LIMIT))},
        "fullDescription": {"text": _text(f"A rule of the release policy: {clean(rule.name)}.{quantity}{limit}")},
        "help": {
            "text": "Read report.html of this run first. Then compress otherwise, train with less overfitting, ship "
            "fewer variants together, audit more records where the result is inconclusive, or accept the finding with "
            "a waiver that has an owner, a reason and a date."
        },
        "defaultConfiguration": {"level": "error" if rule.severity == "fail" else "warning"},
        "properties": {"tags": ["privacy", "membership-inference"]},
    }


def _result(report: Report, finding: Finding, place: int) -> dict[str, object]:
    written = "" if finding.rule.file else " (the rule is written in no file)"
    undecided = "Not decided: " if finding.outcome == "inconclusive" else ""
    estimate = finding.estimate
    figures = {} if estimate is None else estimate.to_json()
    facts = {"outcome": finding.outcome, "severity": finding.rule.severity, **figures}
    return {
        "ruleId": _identifier(finding.rule.id),
        "ruleIndex": place,
        "kind": "fail",
        "level": LEVELS[finding.status],
        "message": {"text": _text(f"{undecided}{finding.place}: {finding.reason}{written}")},
        "locations": [_location(finding)],
        "partialFingerprints": _fingerprints(report, finding),
        "suppressions": [_suppression(finding.waiver)] if finding.status == "waived" and finding.waiver else [],
        "properties": {key: clean(value) if isinstance(value, str) else value for key, value in facts.items()},
    }


def _location(finding: Finding) -> dict[str, object]:
    line = finding.rule.line if finding.rule.file else 1
    return {
        "physicalLocation": {"artifactLocation": _file(finding.rule.file), "region": {"startLine": max(line, 1)}},
        "logicalLocations": [{"fullyQualifiedName": str(finding.place), "kind": "resource"}],
    }


def _file(file: str) -> dict[str, object]:
    """The file as a URI, relative where it is: forward slashes, and everything that is not plain percent-encoded."""
    from urllib.parse import quote

    path = posixpath.normpath(file[: LONGEST_PATH + 1].replace("\\", "/")) if file else FALLBACK_FILE
    if path == "." or len(path) > LONGEST_PATH:
        path = FALLBACK_FILE
    uri = quote(path, safe="/", errors="replace")
    return {"uri": "file:///" + uri.lstrip("/")} if path.startswith("/") else {"uri": uri, "uriBaseId": "SRCROOT"}


def _fingerprints(report: Report, finding: Finding) -> dict[str, str]:
    """What makes a finding the same one in the next run: audit, rule and place, and no figure, attack or line.

    Code scanning reads one key alone, and would compute it from the line, which all findings of a rule share.
    """
    place = finding.place
    names = [report.name, finding.rule.id, place.device, place.runtime, *place.variants]
    digest = hashlib.sha256(json.dumps(names).encode()).hexdigest()
    return {"edgeleak/v1": digest, "primaryLocationLineHash": f"{digest[:16]}:1"}


def _suppression(waiver: Waiver) -> dict[str, object]:
    said = f"{clean(waiver.owner)}: {clean(waiver.reason, limit=REASON_LIMIT)} (until {clean(waiver.expires)})"
    return {"kind": "external", "status": "accepted", "justification": said}


def _identifier(text: str) -> str:
    """The text where it has letters, digits and ``._+-`` alone; else what is left of it, and its digest in short."""
    plain = re.sub(r"[^A-Za-z0-9._+-]+", "-", text[:IDENTIFIER_MAX])
    if plain == text and plain:
        return plain
    return f"{plain}-{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:8]}"


def _text(text: str) -> str:
    """A message that holds no link and no placeholder, as which SARIF reads ``[a](b)`` and ``{0}``."""
    return text.replace("](", "] (").replace("{", "{{").replace("}", "}}")
