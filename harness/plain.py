"""Text of a device, made fit for a terminal, a page and a log: no control characters, and not too long."""

from __future__ import annotations

__all__ = ["plain"]

# A line of a message; a flood ends here.
_LENGTH_MAX = 1000
_CUT = "..."


def plain(text: str, *, length: int = _LENGTH_MAX) -> str:
    """One line of printable characters: spaces are joined, others are written as escapes, and the rest is cut.

    Args:
        text: of an untrusted device.
        length: most characters that are kept.
    """
    cut = text[: 2 * length]
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in " ".join(cut.split()))
    whole = len(line) <= length and len(text) == len(cut)
    return line if whole else line[: length - len(_CUT)] + _CUT
