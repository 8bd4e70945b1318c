"""What a notebook shows of an object: sentences and small tables as HTML, in which every text is inert.

An object's ``_repr_html_`` is shown without being asked, and its texts come from files and devices: control characters
are written as escapes, long texts are cut, and markup is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from harness.plain import plain

__all__ = ["block", "details", "sentence", "table"]

# As long as a cell may be; a sentence of our own may name several variants.
CELL_LENGTH, SENTENCE_LENGTH = 400, 1000
RIGHT = "text-align:right;font-variant-numeric:tabular-nums"
LEFT = "text-align:left"


def sentence(text: str, *, strong: bool = False) -> str:
    """One paragraph."""
    inner = html.escape(plain(text, length=SENTENCE_LENGTH))
    return f"<p><b>{inner}</b></p>" if strong else f"<p>{inner}</p>"


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 0, caption: str = "") -> str:
    """A table.

    Args:
        headers: of the columns.
        rows: the cells' texts.
        numbers: how many of the last columns hold numbers, which stand on the right.
        caption: what the table is about.
    """
    texts = len(headers) - numbers

    def row(tag: str, cells: Sequence[str]) -> str:
        inner = (
            f'<{tag} style="{LEFT if place < texts else RIGHT}">{html.escape(plain(cell, length=CELL_LENGTH))}</{tag}>'
            for place, cell in enumerate(cells)
        )
        return f"<tr>{''.join(inner)}</tr>"

    about = f"<caption>{html.escape(plain(caption, length=SENTENCE_LENGTH))}</caption>" if caption else ""
    body = "".join(row("td", cells) for cells in rows)
    return f"<table>{about}<thead>{row('th', headers)}</thead><tbody>{body}</tbody></table>"


def details(summary: str, inner: str) -> str:
    """What is shown when a person asks for it."""
    return f"<details><summary>{html.escape(plain(summary, length=SENTENCE_LENGTH))}</summary>{inner}</details>"


def block(*parts: str) -> str:
    """Parts below each other."""
    return f'<div class="edgeleak">{"".join(filter(None, parts))}</div>'
