"""The verdict as JUnit XML, for whatever shows test results: one testcase a device, variants and rule."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from harness.report._clean import REASON_LIMIT, clean
from harness.report.model import Report
from harness.report.pictures import Curve
from harness.report.writers._findings import Finding, Status, findings
from harness.types import Estimate, View

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["render"]

# What a testcase holds beside its properties. What is not decided is an error: no reader shows one as harmless, as many
# do with what was skipped. What does not hold and stops no release is skipped, with the reason, and never passed.
ELEMENTS: Mapping[Status, str] = {"fails": "failure", "undecided": "error", "waived": "skipped", "warns": "skipped"}
KINDS: Mapping[Status, str] = {
    "fails": "gate-failed",
    "undecided": "inconclusive",
    "waived": "waived",
    "warns": "warning",
}


def render(report: Report, _curves: Mapping[str, Curve]) -> str:
    """The XML in ASCII; every text is cleaned (:func:`harness.report._clean.clean`) and escaped by the XML writer.

    A device is a testsuite; a rule is a testcase for each set of variants that it was held against there.
    """
    # Only this output needs it, and every verb of the command line loads this room.
    from xml.etree import ElementTree

    suites: dict[str, list[Finding]] = {}
    for finding in findings(report):
        suites.setdefault(finding.place.device, []).append(finding)
    root = ElementTree.Element("testsuites", {"name": f"edgeleak {clean(report.name)}"})
    _count(root, [finding for own in suites.values() for finding in own])
    for device, own in suites.items():
        root.append(_suite(ElementTree.Element, report, device, own))
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="us-ascii", xml_declaration=True)
    return text.decode("ascii") + "\n"


def _suite(new: type[Element], report: Report, device: str, own: list[Finding]) -> Element:
    named = f"edgeleak {clean(report.name)}"
    suite = new("testsuite", {"name": f"{named} on {clean(device)}" if device else named})
    _count(suite, own)
    verdict = report.verdict
    about = {
        "edgeleak": report.edgeleak,
        "created": report.created,
        "config_digest": report.config_digest,
        "policy": verdict.policy if verdict else "",
        "baseline": verdict.baseline if verdict else "",
    }
    suite.append(_properties(new, ((name, clean(text, limit=REASON_LIMIT)) for name, text in about.items() if text)))
    for finding in own:
        suite.append(_case(new, finding))
    return suite


def _case(new: type[Element], finding: Finding) -> Element:
    rule, place = finding.rule, finding.place
    # A dot separates packages where readers group testcases by their class.
    seen = str(place).replace(".", "·")
    case = new("testcase", {"classname": f"edgeleak.{seen}", "name": f"{clean(rule.id)}: {clean(rule.name)}"})
    if rule.file:
        case.set("file", clean(rule.file, limit=REASON_LIMIT))
        case.set("line", str(max(rule.line, 1)))
    case.append(_properties(new, _facts(finding)))
    if finding.status in ELEMENTS:
        case.append(_outcome(new, finding))
    return case


def _outcome(new: type[Element], finding: Finding) -> Element:
    kind = KINDS[finding.status]
    element = new(ELEMENTS[finding.status], {"message": f"{kind}: {finding.reason}", "type": kind})
    element.text = f"{finding.place}: {finding.reason}"
    return element


def _facts(finding: Finding) -> Iterator[tuple[str, str]]:
    """What a testcase is about and what decided it, by name; what is not known is left out."""
    rule, worst = finding.rule, finding.worst
    yield "rule", clean(rule.id)
    yield "severity", rule.severity
    yield "outcome", finding.outcome
    if rule.quantity:
        yield "quantity", clean(rule.quantity)
    if rule.limit is not None and math.isfinite(rule.limit):
        yield "limit", repr(rule.limit)
    yield from _figures(finding.estimate)
    place = finding.place
    about = {"device": place.device, "runtime": place.runtime, "variants": " + ".join(map(clean, place.variants))}
    if worst is not None:
        view = worst.about
        if isinstance(view, View):
            about |= {
                "adversary": view.adversary,
                "attack": view.attack,
                "variants": " + ".join(map(clean, view.variants)),
            }
        about |= {"against": worst.against, "part": worst.part}
        yield "cases", str(finding.cases)
    yield from ((name, clean(text, limit=REASON_LIMIT)) for name, text in about.items() if text)
    if finding.waiver is not None:
        waiver = finding.waiver
        texts = {"waiver_owner": waiver.owner, "waiver_reason": waiver.reason, "waiver_expires": waiver.expires}
        yield from ((name, clean(text, limit=REASON_LIMIT)) for name, text in texts.items())


def _figures(estimate: Estimate | None) -> Iterator[tuple[str, str]]:
    if estimate is None:
        return
    for name, value in (("estimate", estimate.value), ("low", estimate.low), ("high", estimate.high)):
        if math.isfinite(value):
            yield name, repr(value)
    yield "n", str(estimate.n)
    yield "level", repr(estimate.level)
    if estimate.method:
        yield "method", clean(estimate.method)
    if estimate.needed_n is not None:
        yield "needed_n", str(estimate.needed_n)


def _properties(new: type[Element], pairs: Iterator[tuple[str, str]]) -> Element:
    element = new("properties")
    for name, value in pairs:
        element.append(new("property", {"name": name, "value": value}))
    return element


def _count(element: Element, own: list[Finding]) -> None:
    statuses = [ELEMENTS.get(finding.status, "") for finding in own]
    element.set("tests", str(len(own)))
    for name, counted in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(name, str(statuses.count(counted)))
