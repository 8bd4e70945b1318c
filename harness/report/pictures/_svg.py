"""Elements of inline SVG that follow the page: its colours, its font, its width; the same input gives the same text.

The two pictures need lines, areas, markers and words, which a page draws by itself. A plotting library would take
half a second to load and to draw them, a third of the time that a whole report may take.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = [
    "DASHES",
    "GRID",
    "INK",
    "MARKERS",
    "MARKER_POINTS",
    "PAPER",
    "SERIES",
    "LegendEntry",
    "Picture",
    "add",
    "paint",
    "path",
    "start",
    "style",
]

# Colours stand for the page's custom properties, which have a light and a dark value each; the literal one is what a
# viewer without them shows. Okabe and Ito's palette (2008) without yellow, which is lost on white paper.
INK, GRID, PAPER = "#1b1f24", "#d0d7de", "#fffffe"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_PROPERTIES = {INK: "--ink", GRID: "--grid", PAPER: "--paper", **{c: f"--s{i}" for i, c in enumerate(SERIES)}}
# Colour is never the only sign: lines differ in dashes too, points in shape.
DASHES = ("", "6 2", "2 2", "6 2 2 2")
MARKER_POINTS = 7.0
MARKERS = (
    "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0z",  # circle
    "M-3.5 -3.5h7v7h-7z",  # square
    "M0 -4l4 7.5h-8z",  # triangle
    "M0 -4.5l4.5 4.5l-4.5 4.5l-4.5 -4.5z",  # diamond
    "M0 4l4 -7.5h-8z",  # triangle on its tip
    "M-1.3 -4h2.6v2.7h2.7v2.6h-2.7v2.7h-2.6v-2.7h-2.7v-2.6h2.7z",  # plus
)


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


def start(name: str, *, width: float, height: float, title: str, description: str) -> ET.Element:
    """An ``<svg>`` element without a namespace: HTML knows svg elements by themselves, and the page names no address.

    Args:
        name: prefix of every id, so that several pictures share a page.
        width: points.
        height: points.
        title: the picture's name for screen readers.
        description: what it shows, in words.
    """
    root = ET.Element(
        "svg",
        {"viewBox": f"0 0 {width:g} {height:g}", "role": "img", "aria-labelledby": f"{name}-title {name}-desc"},
    )
    for tag, words in (("title", title), ("desc", description)):
        add(root, tag, {"id": f"{name}-{tag}"}).text = words
    return root


def add(parent: ET.Element, tag: str, attributes: dict[str, str]) -> ET.Element:
    """A new element at the end of its parent."""
    return ET.SubElement(parent, tag, attributes)


def paint(color: str) -> str:
    """A colour of the page, with the literal one for viewers without it."""
    return f"var({_PROPERTIES[color]}, {color})"


def style(**properties: str | float) -> str:
    """CSS for a style attribute; an underscore stands for a hyphen."""
    return "; ".join(f"{name.replace('_', '-')}: {value}" for name, value in properties.items())


def path(points: Iterable[tuple[float, float]], *, closed: bool = False) -> str:
    """Path data of straight lines from point to point."""
    steps = (f"{'L' if place else 'M'} {x:.2f} {y:.2f}" for place, (x, y) in enumerate(points))
    return " ".join(steps) + (" Z" if closed else "")
