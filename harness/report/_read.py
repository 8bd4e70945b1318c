"""Reads a report that may lack anything: every getter answers, whatever it finds.

Most strings of a report come from a device, and a device is not trusted: it may send control characters that move a
terminal's cursor, direction overrides that turn a sentence round, or a megabyte of text. :func:`clean` is the one gate
that all shown text passes; escaping for HTML comes after it, in the template.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence

from harness.stats import Estimate

__all__ = [
    "NOT_AVAILABLE",
    "REASON_LIMIT",
    "clean",
    "estimate",
    "flag",
    "mapping",
    "number",
    "numbers",
    "rows",
    "strings",
    "text",
]

NOT_AVAILABLE = "n/a"
# Long enough for every honest host name, CPU model and reason; short enough that one string cannot bury the page.
TEXT_LIMIT = 240
# A reason is a sentence of our own that may name several variants; the verdict is not cut short.
REASON_LIMIT = 4000
# Numbers above this are no size, count or time that we know, and would be written with hundreds of digits.
LARGEST = 10**18
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_INVISIBLE = ("C", "Zl", "Zp")


def clean(value: object, *, limit: int = TEXT_LIMIT) -> str:
    """The value as one visible line of at most ``limit`` characters; ``n/a`` where there is nothing to show.

    Control, format and unassigned characters and lone surrogates become U+FFFD, so that a trick stays visible.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value) if abs(value) <= LARGEST else NOT_AVAILABLE
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else NOT_AVAILABLE
    if not isinstance(value, str):
        return NOT_AVAILABLE
    short = value if len(value) <= limit else value[: limit - 1] + "…"
    # Split at blanks first: tabs and newlines are control characters too, but an honest reason may hold them.
    line = " ".join("".join(REPLACEMENT if _invisible(c) else c for c in word) for word in short.split())
    return line or NOT_AVAILABLE


def text(node: Mapping[str, object], key: str, *, limit: int = TEXT_LIMIT) -> str:
    """The text at ``key``, cleaned; ``n/a`` where it is absent."""
    return clean(node.get(key), limit=limit)


def number(node: Mapping[str, object], key: str) -> float | None:
    """The number at ``key``, or None where there is none that is finite and conceivable."""
    return _finite(node.get(key))


def flag(node: Mapping[str, object], key: str) -> bool:
    """Whether ``key`` holds true, and not merely something truthy: ``"no"`` from a device is not a yes."""
    return node.get(key) is True


def mapping(node: Mapping[str, object], key: str) -> Mapping[str, object]:
    """The object at ``key``, or an empty one."""
    value = node.get(key)
    return value if isinstance(value, Mapping) else {}


def rows(node: Mapping[str, object], key: str) -> tuple[Mapping[str, object], ...]:
    """The objects of the list at ``key``; whatever is no object is left out."""
    return tuple(row for row in _list(node.get(key)) if isinstance(row, Mapping))


def strings(node: Mapping[str, object], key: str) -> tuple[str, ...]:
    """The list at ``key`` as cleaned texts."""
    return tuple(clean(value) for value in _list(node.get(key)))


def numbers(node: Mapping[str, object], key: str) -> tuple[float | None, ...]:
    """The list at ``key`` as finite numbers; an entry that is none is None."""
    return tuple(_finite(value) for value in _list(node.get(key)))


def estimate(node: Mapping[str, object], key: str) -> Estimate | None:
    """The estimate at ``key``, or None; missing ends are NaN.

    A bare number is taken for a value without an interval. An estimate without a value is None, unless it says that n
    cannot answer: that is an answer.
    """
    bare = number(node, key)
    if bare is not None:
        return Estimate(bare, math.nan, math.nan, 0, NOT_AVAILABLE)
    row = mapping(node, key)
    resolvable = row.get("resolvable") is not False
    value = number(row, "value")
    if not row or (value is None and resolvable):
        return None
    low, high, n, level = (number(row, name) for name in ("low", "high", "n", "level"))
    needed_n = number(row, "needed_n")
    return Estimate(
        value=math.nan if value is None else value,
        low=math.nan if low is None else low,
        high=math.nan if high is None else high,
        n=0 if n is None else int(n),
        method=text(row, "method"),
        level=0.95 if level is None else level,
        resolvable=resolvable,
        needed_n=None if needed_n is None else int(needed_n),
    )


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # NaN compares false. A huge integer is compared before it is turned into a float, which would overflow.
    return float(value) if abs(value) <= LARGEST else None


def _invisible(character: str) -> bool:
    return unicodedata.category(character).startswith(_INVISIBLE)
