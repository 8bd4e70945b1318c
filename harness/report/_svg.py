"""Matplotlib figures as inline SVG that follows the page: its colours, its width, its ids.

Figures are drawn with the object interface and an SVG canvas: no pyplot, no display, no figure kept anywhere. The
same input gives the same bytes: ids are salted with a constant, no date and no version is written.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from harness.report._read import REPLACEMENT

__all__ = [
    "DASHES",
    "GRID",
    "INK",
    "MARKERS",
    "PAPER",
    "SERIES",
    "LegendEntry",
    "Picture",
    "axes",
    "drawing",
    "inline",
    "label",
]

# Colours stand for the page's custom properties, which have a light and a dark value each; the literal one is what a
# viewer without them shows. Okabe and Ito's palette (2008) without yellow, which is lost on white paper.
INK, GRID, PAPER = "#1b1f24", "#d0d7de", "#fffffe"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_PROPERTIES = {INK: "--ink", GRID: "--grid", PAPER: "--paper", **{c: f"--s{i}" for i, c in enumerate(SERIES)}}
# Colour is never the only sign: lines differ in dashes too, points in shape.
DASHES = ((), (6, 2), (2, 2), (6, 2, 2, 2))
MARKERS = ("o", "s", "^", "D", "v", "P")

# A phone shows the picture at its natural size or slightly less, so that 10 points stay 9; a desk scales it up by half.
WIDTH_INCHES, HEIGHT_INCHES, FONT_POINTS = 5.2, 4.1, 10.0
POINTS_PER_INCH = 72
LABEL_LIMIT = 22
# Last character block that Matplotlib's own font holds (Latin, Greek, Cyrillic); it warns of what lies beyond.
LAST_MEASURABLE = 0x04FF


@dataclass(frozen=True)
class LegendEntry:
    """One entry of the legend under a picture, which the page draws: there it can wrap, and any text is safe.

    Args:
        text: what the sign stands for.
        color: index into :data:`SERIES`.
        dashes: SVG dash array of a line, empty for a solid one; None for a point.
        marker: one of :data:`MARKERS` for a point, None for a line.
    """

    text: str
    color: int
    dashes: str | None = None
    marker: str | None = None


@dataclass(frozen=True)
class Picture:
    """An inline SVG, its legend and the remarks that belong under it."""

    svg: str
    legend: tuple[LegendEntry, ...]
    notes: tuple[str, ...] = ()


@contextmanager
def drawing() -> Iterator[None]:
    """Matplotlib's own defaults, whatever the user's matplotlibrc says; text stays text."""
    with matplotlib.style.context("default"), mpl.rc_context({"svg.hashsalt": "edgeleak", "svg.fonttype": "none"}):
        yield


def axes(*, x_title: str, y_title: str) -> tuple[Figure, Axes]:
    """An empty figure of the page's size with one set of axes in the page's colours.

    The axes' place is fixed instead of laid out: labels are placed by the points' coordinates on the paper.
    """
    figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), dpi=POINTS_PER_INCH)
    FigureCanvasSVG(figure)
    figure.patch.set_visible(False)
    ax = figure.add_axes((0.14, 0.14, 0.81, 0.83))
    ax.patch.set_visible(False)
    ax.set_xlabel(x_title, color=INK, fontsize=FONT_POINTS)
    ax.set_ylabel(y_title, color=INK, fontsize=FONT_POINTS)
    ax.tick_params(which="both", color=GRID, labelcolor=INK, labelsize=FONT_POINTS - 1)
    ax.grid(visible=True, color=GRID, linewidth=0.6)
    ax.set_axisbelow(True)
    for side, spine in ax.spines.items():
        spine.set_color(GRID)
        spine.set_visible(side in ("left", "bottom"))
    return figure, ax


def label(text: str) -> str:
    """The text as a label inside a picture: short, and of characters that can be measured."""
    cut = text if len(text) <= LABEL_LIMIT else text[: LABEL_LIMIT - 1] + "…"
    return "".join(c if ord(c) <= LAST_MEASURABLE or c in ("…", REPLACEMENT) else "?" for c in cut)


def inline(figure: Figure, *, name: str, title: str, description: str) -> str:
    """The figure as an ``<svg>`` element for a page of HTML.

    Args:
        figure: what to draw; call inside :func:`drawing`.
        name: prefix of every id, so that several pictures share a page.
        title: the picture's name for screen readers.
        description: what it shows, in words.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    root = ET.fromstring(buffer.getvalue())  # noqa: S314 - our own drawing, read back
    for element in root.iter():
        element.tag = _local(element.tag)
        for key in list(element.attrib):
            element.attrib[_local(key)] = _adapt(_local(key), element.attrib.pop(key), name)
    for child in [e for e in root if e.tag == "metadata"]:
        root.remove(child)
    for parent in list(root.iter()):
        # Matplotlib's style sheet would apply to the whole page; the page's own has the rule.
        for child in [e for e in parent if e.tag == "style"]:
            parent.remove(child)
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-labelledby": f"{name}-title {name}-desc"}
    for place, (tag, words) in enumerate((("title", title), ("desc", description))):
        element = ET.Element(tag, {"id": f"{name}-{tag}"})
        element.text = words
        root.insert(place, element)
    return ET.tostring(root, encoding="unicode")


def _local(qualified: str) -> str:
    """The name without its namespace: HTML knows svg elements by themselves, and the page names no address at all."""
    return qualified.rpartition("}")[2]


def _adapt(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return value.replace("#", f"#{name}-", 1)
    value = value.replace("url(#", f"url(#{name}-")
    if key == "style":
        # The page's own font, instead of a list of eleven at every word.
        value = re.sub("font-family: [^;]*;? ?", "", value)
    return re.sub("#[0-9a-f]{6}", _property, value) if key in ("style", "fill", "stroke") else value


def _property(match: re.Match[str]) -> str:
    color = match.group()
    return f"var({_PROPERTIES[color]}, {color})" if color in _PROPERTIES else color
