"""Pieces of a Markdown page: tables, numbers with their intervals, lists, pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from harness.types import Estimate

__all__ = ["bullets", "image", "interval", "number", "paragraphs", "table", "values"]

# What stands where there is no number.
NONE = "-"


def paragraphs(*parts: str) -> str:
    """The text of a page from its paragraphs; empty ones are left out."""
    return "\n\n".join(part for part in parts if part) + "\n"


def bullets(sentences: Iterable[str]) -> str:
    """A list."""
    return "\n".join(f"- {sentence}" for sentence in sentences)


def image(title: str, file: str) -> str:
    """A picture that lies beside the page."""
    return f"![{title}]({file})"


def table(header: Sequence[str], rows: Iterable[Sequence[object]], *, text: int = 1) -> str:
    """A table.

    Args:
        header: titles of the columns.
        rows: cells, one for each title.
        text: how many columns, from the left, hold text; the others hold numbers and are set to the right.
    """
    rule = [*["---"] * text, *["---:"] * (len(header) - text)]
    return "\n".join("| " + " | ".join(map(str, cells)) + " |" for cells in (header, rule, *rows))


def number(value: float | None, digits: int = 3) -> str:
    """A number at so many significant digits; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.{digits}g}"
    return f"{value:.{max(digits - 1, 0)}e}"


def interval(estimate: Estimate | None, *, digits: int = 3, sign: bool = False, percent: bool = False) -> str:
    """``value [low, high]``, or how many records would be needed; a dash where there is no estimate.

    Args:
        estimate: the estimate.
        digits: decimals; of per cent, where it is one.
        sign: show a plus before what is not negative.
        percent: show a fraction as per cent.
    """
    if estimate is None or not estimate.is_known:
        return NONE
    if not estimate.resolvable:
        needed = "" if estimate.needed_n is None else f", needs {estimate.needed_n}"
        return f"cannot be resolved (n = {estimate.n}{needed})"
    form = f"{'+' if sign else ''}.{digits}{'%' if percent else 'f'}"
    return f"{estimate.value:{form}} [{estimate.low:{form}}, {estimate.high:{form}}]"


def values(each: Iterable[float], *, digits: int = 3, sign: bool = False) -> str:
    """Several values of one figure side by side, e.g. of the seeds; those that are not finite are left out."""
    form = f"{'+' if sign else ''}.{digits}f"
    return " ".join(f"{value:{form}}" for value in each if math.isfinite(value))
