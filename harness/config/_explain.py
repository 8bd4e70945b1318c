"""What is wrong with a configuration, in plain sentences: each names the table and the key as TOML writes them."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

__all__ = ["explained"]

# A value longer than this is not repeated.
SHOWN = 60
BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}
KINDS = {
    "int": "a whole number",
    "float": "a number",
    "string": "a text in quotes",
    "bool": "true or false",
    "dict": "a table",
    "model": "a table",
}
ITEMS: Mapping[object, str] = {str: "names", float: "numbers", int: "whole numbers"}
NAME = "a name of letters, digits and the marks . _ + -, that begins with a letter or a digit"


def explained(error: ValidationError, model: type[BaseModel]) -> str:
    """Every mistake that pydantic found, in one line.

    Args:
        error: what it raised.
        model: what the table should have been.
    """
    items = error.errors()
    wrong = {item["loc"][:-1] for item in items if item["loc"] and isinstance(item["loc"][-1], int)}
    # A list of which an item is wrong is short of that item; once is enough.
    items = [item for item in items if item["type"] != "too_short" or item["loc"] not in wrong]
    return "; ".join(dict.fromkeys(_sentence(item, model) for item in items))


def _sentence(item: Mapping[str, Any], model: type[BaseModel]) -> str:
    where, annotation, siblings = _place(item["loc"], model)
    problem = _problem(item, annotation, siblings)
    return f"{where}: {problem}" if where else problem


def _place(loc: Sequence[str | int], model: type[BaseModel]) -> tuple[str, object, list[str]]:
    """Table and key as TOML writes them; what the key should hold; and the keys that stand beside it."""
    tables: list[str] = []
    where, siblings = "", list(model.model_fields)
    annotation: object = object
    current: type[BaseModel] | None = model
    for position, part in enumerate(loc):
        if isinstance(part, int):
            is_table = current is not None
            where = f"[[{'.'.join(tables)}]] number {part + 1}" if is_table else f"{where}, item {part + 1}"
            if not is_table:
                annotation = next(iter(get_args(_bare(annotation))), object)
        elif current is not None and (part in current.model_fields or position == len(loc) - 1):
            field = current.model_fields.get(part)
            annotation = field.annotation if field else object
            siblings = list(current.model_fields)
            current = _section(annotation)
            if current is not None:
                tables.append(part)
                name = ".".join(tables)
                where = f"[[{name}]]" if get_origin(_bare(annotation)) is tuple else f"[{name}]"
            else:
                where = f"{where}, key {json.dumps(part)}".removeprefix(", ")
    return where, annotation, siblings


def _bare(annotation: object) -> object:
    """The type without `| None` and without what is only annotated."""
    if hasattr(annotation, "__metadata__"):
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return next((_bare(one) for one in get_args(annotation) if one is not NoneType), object)
    return annotation


def _section(annotation: object) -> type[BaseModel] | None:
    """The table that a key holds, or each of the tables in its list; None where it holds a value."""
    bare: Any = _bare(annotation)
    if get_origin(bare) is tuple:
        return _section(get_args(bare)[0])
    return bare if isinstance(bare, type) and issubclass(bare, BaseModel) else None


def _problem(item: Mapping[str, Any], annotation: object, siblings: Sequence[str]) -> str:
    kind, context, given = item["type"], item.get("ctx", {}), item.get("input")
    if kind == "extra_forbidden":
        return "unknown key" + _nearest(str(item["loc"][-1]), siblings)
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return re.sub(r"^Value error, ", "", item["msg"]) + _got(given)
    if kind in BOUNDS:
        key, word = BOUNDS[kind]
        return f"must be {word} {context[key]:.12g}{_got(given)}"
    if kind == "finite_number":
        return f"must be a finite number{_got(given)}"
    if kind == "string_pattern_mismatch":
        return f"expected {NAME}{_got(given)}"
    if kind in ("too_short", "string_too_short"):
        return "must not be empty" if context.get("min_length") == 1 else f"needs {context.get('min_length')} or more"
    return f"expected {_expected(kind, annotation)}{_got(given)}" + _nearest(given, _choices(annotation))


def _expected(kind: str, annotation: object) -> str:
    choices = _choices(annotation)
    if choices:
        return "one of " + ", ".join(map(json.dumps, choices))
    if kind in ("tuple_type", "list_type"):
        section = _section(annotation)
        inner = _bare(next(iter(get_args(_bare(annotation))), object))
        return "a list of tables, each with this head" if section else f"a list of {ITEMS.get(inner, 'values')}"
    return KINDS.get(kind.partition("_")[0], "another kind of value")


def _choices(annotation: object) -> tuple[str, ...]:
    bare = _bare(annotation)
    return get_args(bare) if get_origin(bare) is Literal else ()


def _nearest(given: object, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(given, known, n=1) if isinstance(given, str) else []
    return f"; did you mean {json.dumps(near[0])}?" if near else ""


def _got(given: object) -> str:
    """The value as TOML writes it, where it is short."""
    if isinstance(given, float) and given != given:
        return " (got nan)"
    shown = json.dumps(given, ensure_ascii=False) if isinstance(given, str | int | float | bool) else ""
    shown = shown.replace("Infinity", "inf")
    return f" (got {shown})" if 0 < len(shown) <= SHOWN else ""
