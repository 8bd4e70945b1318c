"""Pictures for pages that can only show files: matplotlib to SVG text, the same bytes every time."""

from __future__ import annotations

import io
from collections.abc import Callable

import matplotlib as mpl
import matplotlib.style
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

__all__ = ["COLORS", "svg"]

# Okabe and Ito's palette (2008), legible to the colour-blind.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


def svg(draw: Callable[[Figure], None], *, width: float = 6.4, height: float = 4.8) -> str:
    """What a function draws on a figure, as SVG text without dates or random identifiers.

    Args:
        draw: called once with the empty figure.
        width: inches.
        height: inches.
    """
    with matplotlib.style.context("default"), mpl.rc_context({"svg.hashsalt": "edgeleak", "svg.fonttype": "none"}):
        figure = Figure(figsize=(width, height))
        FigureCanvasSVG(figure)
        draw(figure)
        buffer = io.StringIO()
        # White paper under the ink: a page in dark mode would swallow the axes.
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", facecolor="white", metadata=nothing)
    text = buffer.getvalue()
    # Without the document type, whose address a strict reader would try to fetch.
    lines = (line.rstrip() for line in text[text.index("<svg") :].splitlines())
    return '<?xml version="1.0" encoding="utf-8"?>\n' + "\n".join(lines) + "\n"
