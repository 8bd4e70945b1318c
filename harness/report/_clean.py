"""Cleans the texts that a report shows.

Most strings of a report come from a device, and a device is not trusted: it may send control characters that move a
terminal's cursor, direction overrides that reverse a sentence, or a megabyte of text. Every text passes :func:`clean`
before a person sees it; a page escapes it afterwards. The JSON keeps what was sent.
"""

from __future__ import annotations

import math

from harness.plain import plain

__all__ = ["NOT_AVAILABLE", "REASON_LIMIT", "TEXT_LIMIT", "clean"]

NOT_AVAILABLE = "n/a"
# Long enough for every honest host name, CPU model and reason; short enough that one string cannot bury the page.
TEXT_LIMIT = 240
# A reason is a sentence of our own that may name several variants, and a verdict must not be cut.
REASON_LIMIT = 4000
# A larger number is no size, count or time that we know, and would be written with hundreds of digits.
LARGEST = 10**18


def clean(value: object, *, limit: int = TEXT_LIMIT) -> str:
    """The value as one visible line of at most ``limit`` characters; ``n/a`` where there is nothing to show.

    Control, format and unassigned characters and lone surrogates are written as escapes (:func:`harness.plain.plain`),
    so that an attempt stays visible.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value) if abs(value) <= LARGEST else NOT_AVAILABLE
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else NOT_AVAILABLE
    if not isinstance(value, str):
        return NOT_AVAILABLE
    return plain(value, length=limit) or NOT_AVAILABLE
