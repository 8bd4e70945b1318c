"""The report as one page of HTML: no script, no network, nothing beside the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources

from harness.policy import RuleOutcome
from harness.report import (
    _attack_tables,
    _device_tables,
    _increases,
    _latency_tables,
    _notes,
    _slice_tables,
    _tables,
    _words,
    pictures,
)
from harness.report._clean import NOT_AVAILABLE, REASON_LIMIT, clean
from harness.report.model import SCHEMA, Report
from harness.report.pictures import Curve
from harness.report.writers.json import plain

__all__ = ["render"]

TEMPLATE = "template.html.j2"


def render(report: Report, curves: Mapping[str, Curve]) -> str:
    """The page; the same report and curves give the same text.

    Every text of the report is cleaned (:func:`harness.report._clean.clean`) and then escaped by the template, which
    has autoescape on; only the pictures, drawn here, go in as they are.

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
    source = resources.files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8")
    verdict = report.verdict
    return environment.from_string(source).render(
        name=clean(report.name),
        outcome=NOT_AVAILABLE if verdict is None else verdict.outcome,
        verdict=_words.verdict_word(report),
        null_twin=_words.null_twin_warning(report),
        rules=None if verdict is None else [_rule(rule) for rule in verdict.rules],
        audited=_words.audited(report),
        devices=_devices(report),
        roc=pictures.roc(curves),
        # An emulated device's latencies are not to be compared, by eye neither.
        leakage=None if _latency_tables.is_emulated(report) else pictures.leakage(report.artifact_rows()),
        emulated=_latency_tables.is_emulated(report),
        latency=_latency_tables.latency_table(report),
        artifacts=_tables.artifact_table(report),
        strongest=_attack_tables.strongest_table(report),
        cuts=_words.cut_sentences(report.attacks.results),
        question=_increases.QUESTION,
        increases=_attack_tables.increase_table(report),
        increased=_increases.increase_sentence(report.attacks.increases),
        attacks=_attack_tables.attack_tables(report),
        family=_words.family_sentences(report),
        null_calibration=_words.null_sentence(report),
        slices=_slice_tables.slice_tables(report),
        slice_notes=_slice_tables.slice_notes(report),
        privacy=_slice_tables.privacy_tables(report),
        canaries=_slice_tables.canary_sentence(report),
        mis=_tables.mis_table(report),
        mis_disclaimer="" if report.mis is None else _words.mis_disclaimer(report.mis),
        skipped=_attack_tables.skipped_table(report),
        timings=_tables.timing_table(report),
        notes=_notes.method_notes(report),
        # ASCII only, so that no text of it needs cleaning.
        config=json.dumps(plain(report.config, key="report/config"), indent=2) if report.config else "",
        names_missing_parts=report.names_missing_parts,
        schema=SCHEMA,
    )


def _devices(report: Report) -> dict[str, object] | None:
    """What the page shows of several devices: each one's tables, and how they differ; None where there was one."""
    found = report.devices
    if found is None:
        return None
    own = [(device, report.of_device(device.name)) for device in found.finished]
    return {
        "table": _device_tables.device_table(report),
        "sentences": _device_tables.largest(found),
        "differences": [
            table for table in (_device_tables.answer_table(found), _device_tables.attack_table(found)) if table
        ],
        "notes": _device_tables.device_notes(found),
        "each": [
            {
                "name": _device_tables.shown_name(device),
                # Folders are named by this program, of letters that need no quoting.
                "page": f"{clean(device.folder)}/report.html",
                "null": _words.null_sentence(alone),
                "tables": [
                    table
                    for table in (
                        _tables.artifact_table(alone),
                        _latency_tables.latency_table(alone),
                        _attack_tables.strongest_table(alone),
                    )
                    if table
                ],
            }
            for device, alone in own
        ],
    }


def _rule(rule: RuleOutcome) -> dict[str, str]:
    """One rule of the gate; a reason is a sentence that is not cut short."""
    return {"name": clean(rule.name), "outcome": rule.outcome, "reason": clean(rule.reason, limit=REASON_LIMIT)}
