"""Reads fields of a JSON object that may lack anything, or hold anything: every getter answers.

Results are read back from files that a person may have edited and that hold strings of devices, so a getter returns
None, or an empty value, where a field has another type. What is shown to a person is cleaned by the report.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

__all__ = ["Node", "figure", "finite", "flag", "integer", "mapping", "number", "numbers", "rows", "strings", "text"]

Node = Mapping[str, object]

# No size, count or time that an audit knows is larger; a longer number would be written with hundreds of digits.
LARGEST = 10**18


def number(node: Node, key: str) -> float | None:
    """The number at ``key``, or None where there is none that is finite and conceivable."""
    return _finite(node.get(key))


def figure(node: Node, key: str) -> float:
    """The number at ``key``, or NaN, which satisfies no limit."""
    value = number(node, key)
    return math.nan if value is None else value


def integer(node: Node, key: str) -> int | None:
    """The whole number at ``key``, or None."""
    value = number(node, key)
    return None if value is None else int(value)


def text(node: Node, key: str) -> str:
    """The text at ``key``, or an empty one."""
    value = node.get(key)
    return value if isinstance(value, str) else ""


def flag(node: Node, key: str) -> bool:
    """Whether ``key`` holds true, and not merely something truthy: ``"no"`` from a device is not a yes."""
    return node.get(key) is True


def mapping(node: Node, key: str) -> Node:
    """The object at ``key``, or an empty one."""
    value = node.get(key)
    return value if isinstance(value, Mapping) else {}


def rows(node: Node, key: str) -> tuple[Node, ...]:
    """The objects of the list at ``key``; whatever is no object is left out."""
    return tuple(row for row in _list(node.get(key)) if isinstance(row, Mapping))


def strings(node: Node, key: str) -> tuple[str, ...]:
    """The texts of the list at ``key``; whatever is no text is left out."""
    return tuple(value for value in _list(node.get(key)) if isinstance(value, str))


def numbers(node: Node, key: str) -> tuple[float | None, ...]:
    """The list at ``key`` as finite numbers; an entry that is none is None."""
    return tuple(_finite(value) for value in _list(node.get(key)))


def finite(value: float) -> float | None:
    """A number as JSON can hold it: one that is not finite becomes null."""
    return float(value) if math.isfinite(value) else None


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # NaN compares false. A huge integer is compared before it is turned into a float, which would overflow.
    return float(value) if abs(value) <= LARGEST else None
