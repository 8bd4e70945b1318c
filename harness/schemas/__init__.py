"""JSON Schemas (2020-12) of what edgeleak reads and writes: audit.toml, policy.toml, report.json, and `--json` outputs.

The files beside this module are what is published: an editor and a pipeline read them, and so does `edgeleak schema`.
``python -m harness.schemas`` makes them anew; a test proves that they are those of the code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module, resources
from typing import Any

from harness.errors import UsageError

__all__ = ["NAMES", "made", "published", "text_of"]


# Name -> the module that makes it; each loads what it describes, and a published schema needs none of it.
_MAKERS: Mapping[str, str] = {
    "audit": "_config",
    "policy": "_config",
    "report": "_report",
    "gate": "_report",
    "plan": "_plan",
    "compare": "_compare",
}
NAMES = tuple(_MAKERS)


def made(name: str) -> dict[str, Any]:
    """A schema as the code has it.

    Args:
        name: one of :data:`NAMES`.

    Raises:
        UsageError: there is none of this name.
    """
    _check(name)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:edgeleak:schema:{name}",
        **getattr(import_module(f"harness.schemas.{_MAKERS[name]}"), name)(),
    }


def published(name: str) -> str:
    """The text of the published file of a schema.

    Args:
        name: one of :data:`NAMES`.

    Raises:
        UsageError: there is none of this name.
    """
    _check(name)
    return resources.files("harness.schemas").joinpath(f"{name}.json").read_text(encoding="utf-8")


def text_of(schema: Mapping[str, Any]) -> str:
    """A schema as the text of a file."""
    return json.dumps(schema, indent=1, ensure_ascii=True) + "\n"


def _check(name: str) -> None:
    if name not in NAMES:
        raise UsageError(f"schema {name!r}: there is none", hint=f"there are {', '.join(NAMES)}")
