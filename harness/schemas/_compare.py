"""The schema of what `edgeleak compare --json` prints."""

from __future__ import annotations

from typing import get_args

from harness.compare.two_runs_result import SCHEMA, Direction
from harness.schemas._report import definitions
from harness.schemas._results import DEFINITIONS
from harness.schemas._shapes import (
    COUNT,
    FLAG,
    NUMBER,
    TEXT,
    Schema,
    by_name,
    choice,
    listed,
    nullable,
    pair,
    record,
    ref,
)

__all__ = ["compare"]

_NAMED = nullable(TEXT)
_LEAKS = choice(get_args(Direction))
_SIDE = record({"place": TEXT, "name": TEXT, "created": _NAMED}, says="One of the two audits.")
_CHANGE = record(
    {
        "before": ref("estimate"),
        "after": ref("estimate"),
        "auc": ref("estimate"),
        "tpr_at_fpr": by_name({"anyOf": [ref("estimate"), ref("tpr")]}),
        "leaks": _LEAKS,
        "is_control": FLAG,
    },
    base=DEFINITIONS["view"],
    says="One attack on one view in both audits: the second minus the first.",
)
_STRONGEST = record(
    {
        "before": ref("view"),
        "after": ref("view"),
        "auc_before": NUMBER,
        "auc_after": NUMBER,
        "change": ref("estimate"),
        "leaks": _LEAKS,
    },
    says="The strongest attack of each audit, whichever it is.",
)
_ARTIFACT = record(
    {
        "variant": TEXT,
        "runtime": _NAMED,
        "device": _NAMED,
        "size_bytes": pair({"type": ["integer", "null"]}),
        "accuracy": nullable(ref("estimate")),
        "p50_ns": nullable(ref("estimate")),
        "same_file": FLAG,
        "only": nullable(choice(("before", "after"))),
    },
    says="One file in both audits, or in one.",
)


def compare() -> Schema:
    """The schema of what `edgeleak compare --json` prints."""
    whole = record(
        {
            "schema": {"const": SCHEMA},
            "before": _SIDE,
            "after": _SIDE,
            "outcomes": pair(_NAMED),
            "how": TEXT,
            "paired": nullable(pair(COUNT)),
            "level": NUMBER,
            "strongest": nullable(ref("strongest")),
            "changes": listed(ref("change")),
            "artifacts": listed(ref("artifact")),
            "only_before": listed(ref("view")),
            "only_after": listed(ref("view")),
        },
        says="What changed from one audit to another.",
    )
    own = {"change": _CHANGE, "strongest": _STRONGEST, "artifact": _ARTIFACT}
    return {"title": "edgeleak compare --json", **whole, "$defs": {**definitions(("estimate", "tpr", "view")), **own}}
