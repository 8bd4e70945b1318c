"""The report as one page of HTML: one script to sort and filter, no network, nothing beside the file."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib import resources

from harness.report import _advice, _file_tables, _glossary, _setting, _words, pictures
from harness.report._clean import clean
from harness.report._files import FileRow, files_of, together_of
from harness.report._latency_tables import is_emulated
from harness.report._sections import sections_of
from harness.report.headline import headline
from harness.report.model import SCHEMA, Report
from harness.report.pictures import Curve
from harness.report.writers.json import plain

__all__ = ["render"]

TEMPLATE, STYLE, SCRIPT = "template.html.j2", "page.css", "page.js"
# A sign beside the word: colour is never the only one.
SIGNS = {"pass": "✓", "fail": "✗", "inconclusive": "?"}


def render(report: Report, curves: Mapping[str, Curve]) -> str:
    """The page; the same report and curves give the same text.

    Every text of the report is cleaned (:func:`harness.report._clean.clean`) and then escaped by the template, which
    has autoescape on; only the pictures, drawn here, go in as they are. The page's policy allows its own style sheet
    and its own script by their digests, and nothing else.

    Raises:
        InputError: the configuration holds something that JSON cannot.
    """
    import jinja2  # only a page needs it, and the command line loads this room for every verb

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style, script = _part(STYLE), _part(SCRIPT)
    files, together = files_of(report), together_of(report)
    table, all_files = _file_tables.file_table(report)
    limit = _limit(report)
    # ASCII only, so that no text of it needs cleaning.
    config = json.dumps(plain(report.config, key="report/config"), indent=1) if report.config else ""
    verdict = report.verdict
    outcome = "" if verdict is None or not verdict.rules or verdict.decides_nothing else verdict.outcome
    first = headline(report)
    claim, _, figures = first.found.partition(": ")
    who, adversaries = _setting.attacker(report)
    return environment.from_string(_part(TEMPLATE)).render(
        style=style,
        script=script,
        style_digest=_digest(style),
        script_digest=_digest(script),
        name=clean(report.name) if report.name else "report",
        created=clean(report.created[:10]) if report.created else "",
        headline=first,
        claim=claim,
        figures=figures[:1].upper() + figures[1:],
        outcome=outcome,
        sign=SIGNS.get(outcome, ""),
        null_twin=_words.null_twin_warning(report),
        scale=pictures.scale(tuple(_setting.strongest_of_each(report).values()), limit),
        who=who,
        adversaries=adversaries,
        records=_setting.record_sentences(report),
        device=_setting.device_sentences(report),
        steps=_advice.next_steps(report),
        files=table,
        named=_glossary.named_attacks(_named(report, files, together)),
        dots=pictures.dots(files, together, limit),
        roc=pictures.roc(curves),
        tradeoffs=pictures.tradeoffs(files, no_latency=_no_latency(report)),
        sections=sections_of(report, all_files=all_files, config=config),
        schema=SCHEMA,
    )


def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """What a content security policy allows a text by."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _limit(report: Report) -> float | None:
    """The lowest AUC that a deciding rule allows."""
    rules = report.verdict.rules if report.verdict else ()
    limits = [one.limit for one in rules if one.severity == "fail" and one.quantity == "auc" and one.limit is not None]
    return min((limit for limit in limits if 0.0 < limit <= 1.0), default=None)


def _named(report: Report, files: tuple[FileRow, ...], together: tuple[FileRow, ...]) -> list[str]:
    """The attacks that the first screens name."""
    shown = [result.attack for result in _setting.strongest_of_each(report).values()]
    for row in (*files, *together):
        shown += [result.attack for result in (row.alone, row.paired) if result is not None]
    return list(dict.fromkeys(shown))


def _no_latency(report: Report) -> str:
    """Why latencies compare nothing; empty where they do."""
    if report.devices is not None:
        return "Latencies of several devices are not drawn: they would rank the devices and not the files."
    if is_emulated(report):
        return "The device was emulated, so its latencies compare nothing and are not drawn."
    return ""
