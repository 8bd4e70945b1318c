"""The schema of what `edgeleak plan --json` prints."""

from __future__ import annotations

from typing import get_args

from harness.compare.planner_result import SCHEMA, Preference
from harness.policy import Outcome
from harness.schemas._report import definitions
from harness.schemas._shapes import (
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

__all__ = ["plan"]

_PLACE: Schema = {"type": ["integer", "null"], "minimum": 0}
_OUTCOME = choice(get_args(Outcome))
_NAMED = nullable(TEXT)
_FILE = record(
    {
        "variant": TEXT,
        "runtime": _NAMED,
        "size_bytes": NUMBER,
        "p50_ns": NUMBER,
        "accuracy": NUMBER,
        "flip_share": NUMBER,
    },
    says="A file that may be released.",
)
_SET = record(
    {
        "files": listed(record({"variant": TEXT, "runtime": _NAMED})),
        "leakage": ref("estimate"),
        "strongest": ref("view"),
        "tpr": nullable({"anyOf": [ref("tpr"), ref("estimate")]}),
        "increase": nullable(ref("estimate")),
        "size_bytes": NUMBER,
        "worst_p50_ns": NUMBER,
        "best_accuracy": NUMBER,
        "worst_accuracy": NUMBER,
        "outcome": _OUTCOME,
        "rules": listed(record({"id": TEXT, "outcome": _OUTCOME, "reason": TEXT})),
        "on_front": FLAG,
    },
    says="A set of files, and what an adversary who holds all of them learns.",
)
_PLANNED = record(
    {
        "runtime": _NAMED,
        "files": listed(ref("file")),
        "exhaustive": FLAG,
        "possible": COUNT,
        "measured": COUNT,
        "at_most": COUNT,
        "best": _PLACE,
        "correction": ref("correction"),
        "attacks": TEXTS,
        "skipped": by_name(TEXT),
        "chosen_on_shadows": FLAG,
        "fpr": NUMBER,
        "sets": listed(ref("set")),
    },
    says="The sets of one runtime's files, or of all.",
)


def plan() -> Schema:
    """The schema of what `edgeleak plan --json` prints."""
    whole = record(
        {
            "schema": {"const": SCHEMA},
            "run": TEXT,
            "policy": TEXT,
            "prefer": choice(get_args(Preference)),
            "outcome": _OUTCOME,
            "best": _PLACE,
            "level": NUMBER,
            "limit": NUMBER,
            "left_out": by_name(TEXT),
            "planned": listed(ref("planned")),
        },
        says="Which files of a finished run may be released together.",
    )
    own = {"file": _FILE, "set": _SET, "planned": _PLANNED}
    return {
        "title": "edgeleak plan --json",
        **whole,
        "$defs": {**definitions(("estimate", "tpr", "view", "correction")), **own},
    }
