"""The report as one page of HTML: no script, no network, nothing beside the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources

import jinja2

from harness.report import _leakage, _read, _roc, _tables, _words
from harness.report._curve import Curve
from harness.report._model import Rule, artifacts, outcome, results, rules

__all__ = ["render"]

TEMPLATE = "template.html.j2"


def render(report: Mapping[str, object], curves: Mapping[str, Curve]) -> str:
    """The page; the same report and curves give the same text.

    Every text of the report is cleaned (:mod:`harness.report._read`) and then escaped by the template, which has
    autoescape on; only the pictures, drawn here, go in as they are.
    """
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    source = resources.files("harness.report").joinpath(TEMPLATE).read_text(encoding="utf-8")
    rows = artifacts(report)
    attacks = results(report)
    verdict = outcome(_read.mapping(report, "gate"))
    return environment.from_string(source).render(
        name=_read.text(report, "name"),
        outcome=verdict,
        verdict=_words.verdict_word(verdict),
        null_twin=_words.null_twin_warning(report),
        rules=[_rule(rule) for rule in rules(report)],
        audited=_words.audited(report),
        roc=_roc.draw(curves),
        leakage=_leakage.draw(rows),
        artifacts=_tables.artifact_table(rows),
        attacks=_tables.attack_tables(attacks),
        null_calibration=_words.null_sentence(report),
        mis=_tables.mis_table(report),
        mis_disclaimer=_words.mis_disclaimer(report),
        skipped=_tables.skipped_table(report),
        timings=_tables.timing_table(report),
        notes=_words.method_notes(report),
        config=json.dumps(_read.mapping(report, "config"), indent=2),
        schema=_read.text(report, "schema"),
    )


def _rule(rule: Rule) -> dict[str, str]:
    return {"name": rule.name, "outcome": rule.outcome, "reason": rule.reason}
