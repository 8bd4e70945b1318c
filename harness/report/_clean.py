"""Cleans the texts that a report shows.

Most strings of a report come from a device, and a device is not trusted: it may send control characters that move a
terminal's cursor, direction overrides that reverse a sentence, or a megabyte of text. Every text passes :func:`clean`
before a person sees it; a page escapes it afterwards. The JSON keeps what was sent.
"""

from __future__ import annotations

import math
import unicodedata

__all__ = ["NOT_AVAILABLE", "REASON_LIMIT", "REPLACEMENT", "TEXT_LIMIT", "clean"]

NOT_AVAILABLE = "n/a"
# Long enough for every honest host name, CPU model and reason; short enough that one string cannot bury the page.
TEXT_LIMIT = 240
# A reason is a sentence of our own that may name several variants, and a verdict must not be cut.
REASON_LIMIT = 4000
# A larger number is no size, count or time that we know, and would be written with hundreds of digits.
LARGEST = 10**18
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_INVISIBLE = ("C", "Zl", "Zp")


def clean(value: object, *, limit: int = TEXT_LIMIT) -> str:
    """The value as one visible line of at most ``limit`` characters; ``n/a`` where there is nothing to show.

    Control, format and unassigned characters and lone surrogates become U+FFFD, so that an attempt stays visible.
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
    line = " ".join("".join(REPLACEMENT if _is_invisible(c) else c for c in word) for word in short.split())
    return line or NOT_AVAILABLE


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character).startswith(_INVISIBLE)
