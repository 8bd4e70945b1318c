"""The report as JSON, for programs: the typed results, and nothing that another program cannot read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np

from harness.errors import InputError
from harness.report.model import Report
from harness.report.pictures import Curve

__all__ = ["plain", "render"]

_AS_THEY_ARE = (str, int)


def render(report: Report, _curves: Mapping[str, Curve]) -> str:
    """One JSON object, in ASCII: what a device sent cannot move the cursor of a terminal that shows the file.

    Raises:
        InputError: the report holds something that JSON cannot.
    """
    whole = plain(report.to_json())
    assert isinstance(whole, dict)  # noqa: S101 - what a report becomes, for the type checker
    parts = (f"{_text(key)}: {_lines(value)}" for key, value in whole.items())
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _lines(value: object) -> str:
    """JSON with a line for each part of an object and each element of a list: a line is read and compared as one.

    Deeper levels are not broken, for Python's own encoder, which does that, takes ten times as long.
    """
    if isinstance(value, dict) and value:
        return "{\n" + ",\n".join(f" {_text(key)}: {_rows(item)}" for key, item in value.items()) + "\n}"
    return _rows(value)


def _rows(value: object) -> str:
    if isinstance(value, list) and value:
        return "[\n  " + ",\n  ".join(map(_text, value)) + "\n ]"
    return _text(value)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)


def plain(value: object, *, key: str = "report") -> object:
    """The value in JSON's own types: tuples become lists, numpy numbers Python's, NaN and infinity null.

    Raises:
        InputError: something that JSON cannot hold; the message names where.
    """
    # Most values are these, and a report has a hundred thousand.
    if value is None or isinstance(value, _AS_THEY_ARE):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.generic):
        return plain(value.item(), key=key)
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise InputError(f"{key}: a key is no text; a JSON object has texts for keys")
        return {name: plain(item, key=f"{key}/{name}") for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, key=f"{key}/{i}") for i, item in enumerate(value)]
    raise InputError(f"{key}: a {type(value).__name__} cannot be written as JSON")
