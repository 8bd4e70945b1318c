"""Schemas of report.json and of what `edgeleak gate --json` prints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from harness.policy import Outcome, Severity
from harness.report.model import SCHEMA
from harness.schemas._results import DEFINITIONS
from harness.schemas._shapes import (
    ANYTHING,
    COUNT,
    FLAG,
    NUMBER,
    TEXT,
    TEXTS,
    Schema,
    by_name,
    choice,
    listed,
    nullable,
    record,
    ref,
)

__all__ = ["GATE_SCHEMA", "definitions", "gate", "report"]

# The schema that `gate --json` names; a test compares it with what the verb prints.
GATE_SCHEMA = "edgeleak.gate/1"

_OUTCOME = choice(get_args(Outcome))
_ESTIMATE: Schema = {"anyOf": [ref("estimate"), ref("tpr")]}
_ABOUT: Schema = {"anyOf": [ref("view"), ref("artifact_name")]}
_VERDICT = {
    "outcome": _OUTCOME,
    "rules": listed(ref("rule")),
    "policy": TEXT,
    "baseline": TEXT,
    "notes": TEXTS,
}
_GATE: dict[str, Schema] = {
    "artifact_name": record({"variant": TEXT, "runtime": TEXT}, {"device": TEXT}, says="A file that ships."),
    "waiver": record(
        {"owner": TEXT, "reason": TEXT, "expires": TEXT, "is_expired": FLAG},
        says="What somebody accepted, by name and until the end of a day.",
    ),
    "case": record(
        {"about": _ABOUT, "outcome": _OUTCOME},
        {"reason": TEXT, "estimate": _ESTIMATE, "against": TEXT, "part": TEXT, "waiver": ref("waiver")},
        says="One result or file, held against a rule; what is empty is left out.",
    ),
    "rule": record(
        {
            "id": TEXT,
            "name": TEXT,
            "outcome": _OUTCOME,
            "reason": TEXT,
            "estimate": nullable(_ESTIMATE),
            "worst": nullable(_ABOUT),
            "severity": choice(get_args(Severity)),
            "quantity": TEXT,
            "limit": NUMBER,
            "cases": listed(ref("case")),
            "file": TEXT,
            "line": COUNT,
        },
        says="What became of one rule of the policy.",
    ),
}


def report() -> Schema:
    """The schema of report.json."""
    whole = record(
        {
            "schema": {"const": SCHEMA},
            "edgeleak": TEXT,
            "name": TEXT,
            "null": FLAG,
            "created": TEXT,
            "config": ANYTHING,
            "config_digest": TEXT,
            "seed": {"type": ["integer", "null"]},
            "inputs_sha256": TEXTS,
            "subject": TEXT,
            "device": nullable(ANYTHING),
            "data": ANYTHING,
            "artifacts": listed(ref("artifact")),
            "attacks": record(
                {
                    "results": listed(ref("result")),
                    "skipped": listed(ref("skipped")),
                    "increases": listed(ref("increase")),
                    "corrections": by_name(ref("correction")),
                }
            ),
            "null_calibration": nullable(ref("null_calibration")),
            "mis": nullable(ref("mis")),
            "slices": nullable(ref("slices")),
            "privacy": nullable(ref("privacy")),
            "gate": nullable(ref("verdict")),
            "timings": by_name(NUMBER),
        },
        {"devices": ref("devices"), "records": ref("records")},
        says="What one audit found, and what the gate decided about it.",
    )
    verdict = record(_VERDICT, says="What the gate decided.")
    return {"title": "report.json of edgeleak", **whole, "$defs": {**DEFINITIONS, **_GATE, "verdict": verdict}}


def gate() -> Schema:
    """The schema of what `edgeleak gate --json` prints."""
    whole = record({"schema": {"const": GATE_SCHEMA}, **_VERDICT}, says="What the gate decided about a finished run.")
    names = ("estimate", "tpr", "view")
    return {"title": "edgeleak gate --json", **whole, "$defs": {**definitions(names), **_GATE}}


def definitions(names: Iterable[str]) -> dict[str, Schema]:
    """Some of the definitions of results."""
    return {name: DEFINITIONS[name] for name in names}
