"""Pictures for pages that can only show files: matplotlib to compact SVG text, the same bytes every time."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Literal

import matplotlib as mpl
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from studies.kit.svg import compact

__all__ = ["COLORS", "axes", "finish", "guide", "svg"]

# Okabe and Ito's palette (2008), legible to the colour-blind.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
GRID, GUIDE = "#d0d7de", "#57606a"
LEGEND_POINTS = 8
Corner = Literal["best", "lower right"]


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
    return compact(text[text.index("<svg") :])


def axes(figure: Figure, *, scale: str = "linear") -> Axes:
    """One pair of axes that fills the figure, both of the same scale."""
    ax = figure.add_axes((0.12, 0.12, 0.83, 0.8))
    ax.set_xscale(scale)
    ax.set_yscale(scale)
    return ax


def guide(ax: Axes, low: float, high: float, label: str) -> None:
    """The diagonal on which both coordinates are equal."""
    ax.plot([low, high], [low, high], color=GUIDE, linewidth=1, linestyle=(0, (4, 3)), label=label)


def finish(ax: Axes, title: str, *, x: str, y: str, legend: Corner | None = "best", points: float = 10) -> None:
    """Write titles, the grid and the legend.

    Args:
        ax: what was drawn on.
        title: above the axes.
        x: what the horizontal axis shows.
        y: what the vertical axis shows.
        legend: where it goes; None leaves it out.
        points: size of the axes' titles; the picture's is one larger.
    """
    ax.set_xlabel(x, fontsize=points)
    ax.set_ylabel(y, fontsize=points)
    ax.set_title(title, fontsize=points + 1)
    ax.grid(visible=True, which="major", color=GRID, linewidth=0.6)
    if legend is not None:
        ax.legend(loc=legend, fontsize=LEGEND_POINTS, frameon=True)
