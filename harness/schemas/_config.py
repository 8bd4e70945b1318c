"""Schemas of audit.toml and policy.toml as somebody writes them, from the models that read them."""

from __future__ import annotations

from typing import Any

from harness.config import AuditConfig, GateConfig
from harness.schemas._shapes import Schema

__all__ = ["audit", "policy"]

# What pydantic cannot tell of a table, because code checks it: of some keys exactly one is there.
_ONE_OF = {"GateRule": ("max", "max_increase", "max_flip_share"), "BaselineConfig": ("run", "report")}
# Tables of other programs that may stand in an audit.toml.
_FOREIGN: Schema = {"study": {"type": "object", "description": "Settings of a study of this audit; edgeleak skips it."}}


def audit() -> Schema:
    """The schema of audit.toml."""
    schema = _of(AuditConfig, "audit.toml of edgeleak")
    schema["properties"] |= _FOREIGN
    return schema


def policy() -> Schema:
    """The schema of policy.toml: what `[gate]` of an audit.toml holds, without the key that names such a file."""
    schema = _of(GateConfig, "policy.toml of edgeleak")
    del schema["properties"]["policy"]
    return schema


def _of(model: type[AuditConfig | GateConfig], title: str) -> Schema:
    schema: Schema = _plain(model.model_json_schema(mode="validation"))
    for name, keys in _ONE_OF.items():
        if name in schema["$defs"]:
            schema["$defs"][name]["oneOf"] = [{"required": [key]} for key in keys]
    return {**schema, "title": title}


def _plain(node: Any) -> Any:
    """The schema without what TOML cannot hold and what repeats a key's name: null, and titles of keys."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _plain(value) for key, value in node.items() if key != "title" and not _is_empty_default(key, value)}
    if "properties" in node:
        kept["properties"] = {name: _plain(value) for name, value in node["properties"].items()}
    options = [item for item in kept.pop("anyOf", ()) if item != {"type": "null"}]
    if len(options) == 1:
        return {**options[0], **kept}
    return {**kept, "anyOf": options} if options else kept


def _is_empty_default(key: str, value: object) -> bool:
    """Whether it is a default that says nothing: none, an empty name that is filled in, or a whole section's."""
    return key == "default" and (value is None or value == "" or isinstance(value, dict))
