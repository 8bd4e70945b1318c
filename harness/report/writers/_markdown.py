"""Texts and tables of GitHub-flavoured Markdown in which nothing that is not ours means anything."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.report._clean import TEXT_LIMIT, clean

__all__ = ["escape", "fitted", "table"]

# What could begin markup inside a line or end a table's cell becomes an entity, which no reader undoes before it looks
# for markup.
_ACTIVE = re.compile(r"[\\`*_\[\]<>&|~$!#]")
_NAMED = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
# A name after @ would be told; an address becomes a link without any markup.
_AT = re.compile("@")
_ADDRESS = re.compile(r"(?i)\b(https?|ftp|mailto|xmpp):|\bwww\.")
WORD_JOINER = "\N{WORD JOINER}"
CUT = "\n\n*This summary is cut here: report.json of the run holds the rest.*\n"


def escape(value: object, *, limit: int = TEXT_LIMIT) -> str:
    """The value as one line of plain text, in a paragraph or a table's cell.

    Args:
        value: any text; it is cleaned (:func:`harness.report._clean.clean`) first.
        limit: most characters that are kept; a name has fewer than a sentence.
    """
    text = clean(value, limit=limit)
    # Addresses first, while they can be recognised: an invisible character after their beginning breaks the link.
    text = _ADDRESS.sub(lambda found: found[0] + WORD_JOINER, text)
    text = _ACTIVE.sub(lambda found: _NAMED.get(found[0], f"&#{ord(found[0])};"), text)
    return _AT.sub(f"@{WORD_JOINER}", text)


def table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """A table as lines, with empty ones around it.

    Args:
        titles: of the columns, our own words.
        rows: cells, escaped already.
        right: places of the columns that hold numbers.
    """
    rules = ["--:" if place in right else "---" for place in range(len(titles))]
    return ["", *(f"| {' | '.join(cells)} |" for cells in (titles, rules, *rows)), ""]


def fitted(text: str, room: int) -> str:
    """The text, cut after a line so that it takes at most ``room`` bytes with a sentence that says so.

    Empty where not even the sentence has room.
    """
    whole = text.encode()
    if len(whole) <= room:
        return text
    left = room - len(CUT.encode())
    if left < 0:
        return ""
    return whole[: whole.rfind(b"\n", 0, left) + 1].decode() + CUT
