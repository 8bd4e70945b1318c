"""The words that schemas of JSON outputs are written in: every object names all of its keys and has no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "ANYTHING",
    "COUNT",
    "FLAG",
    "INTEGER",
    "NUMBER",
    "TEXT",
    "TEXTS",
    "Schema",
    "by_name",
    "choice",
    "listed",
    "nullable",
    "pair",
    "record",
    "ref",
]

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
# A number that is not known, or not finite, is null.
NUMBER: Schema = {"type": ["number", "null"]}
INTEGER: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
TEXTS: Schema = {"type": "array", "items": TEXT}
# An object of others: what a device says of itself, or the configuration of an earlier version.
ANYTHING: Schema = {"type": "object"}


def record(
    keys: Mapping[str, Schema],
    optional: Mapping[str, Schema] | None = None,
    *,
    says: str = "",
    base: Schema | None = None,
) -> Schema:
    """An object with these keys and no others.

    Args:
        keys: those that are always there.
        optional: those that may be left out.
        says: what it is.
        base: another such object, whose keys it has too.
    """
    first = base or {"properties": {}, "required": []}
    return {
        **({"description": says} if says else {}),
        "type": "object",
        "properties": {**first["properties"], **keys, **(optional or {})},
        "required": [*first["required"], *(key for key in keys if key not in first["required"])],
        "additionalProperties": False,
    }


def ref(name: str) -> Schema:
    """A definition by its name."""
    return {"$ref": f"#/$defs/{name}"}


def nullable(schema: Schema) -> Schema:
    """The same, or null where there is none."""
    return {"anyOf": [schema, {"type": "null"}]}


def listed(schema: Schema) -> Schema:
    """A list of such."""
    return {"type": "array", "items": schema}


def pair(schema: Schema) -> Schema:
    """A list of two such."""
    return {"type": "array", "items": schema, "minItems": 2, "maxItems": 2}


def by_name(schema: Schema) -> Schema:
    """An object whose keys are names and whose values are such."""
    return {"type": "object", "additionalProperties": schema}


def choice(values: Sequence[str]) -> Schema:
    """One of some texts."""
    return {"enum": list(values)}
