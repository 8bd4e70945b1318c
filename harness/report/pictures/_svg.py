"""Elements of inline SVG that follow the page: its colours, its font, its width; the same input gives the same text.

The pictures need lines, areas, markers and words, which a page draws by itself. A plotting library would take half a
second to load and to draw them, a third of the time that a whole report may take. No element has a style of its own:
the page's policy allows its one style sheet and nothing else.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["DASHES", "MARKERS", "MARKER_POINTS", "SERIES", "Canvas", "LegendEntry", "Picture", "Point", "legend_of"]

# A class of the style sheet gives an element its light or dark colour; the literal one is what a viewer without the
# sheet shows. Okabe and Ito's palette (2008) without yellow, which is lost on white paper.
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_COLORS = {"ink": "#1b1f24", "soft": "#57606a", "grid": "#d0d7de", "limit": "#b3261e", "paper": "#fffffe"}
_COLORS |= {f"s{number}": color for number, color in enumerate(SERIES)}
# Colour is never the only sign: lines differ in dashes too, points in shape.
DASHES = ("", "6 2", "2 2", "6 2 2 2")
MARKER_POINTS = 8.0
MARKERS = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",  # circle
    "M-3.7 -3.7h7.4v7.4h-7.4z",  # square
    "M0 -4.5l4.5 8h-9z",  # triangle
    "M0 -5l5 5l-5 5l-5 -5z",  # diamond
    "M0 4.5l4.5 -8h-9z",  # triangle on its tip
    "M-1.4 -4.4h2.8v3h3v2.8h-3v3h-2.8v-3h-3v-2.8h3z",  # plus
)

Point = tuple[float, float]


@dataclass(frozen=True)
class LegendEntry:
    """One entry of the legend under a picture, which the page draws: there it can wrap, and any text is safe.

    Args:
        text: what the sign stands for.
        color: index into :data:`SERIES`; None for the colour of the text.
        dashes: SVG dash array of a line, empty for a solid one; None for a point.
        marker: one of :data:`MARKERS` for a point, None for a line.
        hollow: the point is an outline.
    """

    text: str
    color: int | None
    dashes: str | None = None
    marker: str | None = None
    hollow: bool = False


@dataclass(frozen=True)
class Picture:
    """An inline SVG, its heading, its legend, what its intervals are, and the remarks that belong under it."""

    svg: str
    title: str
    legend: tuple[LegendEntry, ...]
    caption: str = ""
    notes: tuple[str, ...] = ()


class Canvas:
    """An ``<svg>`` element without a namespace: HTML knows svg elements by themselves, and the page names no address.

    Coordinates are points from the upper left corner.

    Args:
        name: prefix of every id, so that several pictures share a page.
        width: points.
        height: points.
        title: the picture's name for screen readers.
        description: what it shows, in words.
    """

    def __init__(self, name: str, *, width: float, height: float, title: str, description: str) -> None:
        self.name, self.width, self.height = name, width, height
        labels = f"{name}-title {name}-desc"
        box = {"viewBox": f"0 0 {width:g} {height:g}", "role": "img", "aria-labelledby": labels}
        self._root = ET.Element("svg", box | {"font-family": "sans-serif"})
        for tag, words in (("title", title), ("desc", description)):
            ET.SubElement(self._root, tag, {"id": f"{name}-{tag}"}).text = words
        self._clip: dict[str, str] = {}

    def clip(self, left: float, top: float, right: float, bottom: float) -> None:
        """Cut off what later lines and areas have outside this rectangle."""
        place = ET.SubElement(self._root, "clipPath", {"id": f"{self.name}-clip"})
        size = {"x": left, "y": top, "width": right - left, "height": bottom - top}
        ET.SubElement(place, "rect", {key: f"{value:g}" for key, value in size.items()})
        self._clip = {"clip-path": f"url(#{self.name}-clip)"}

    def line(
        self, points: Iterable[Point], color: str, *, width: float = 1.0, dashes: str = "", clipped: bool = False
    ) -> None:
        """A line from point to point."""
        self.lines([points], color, width=width, dashes=dashes, clipped=clipped)

    def lines(
        self,
        lines: Iterable[Iterable[Point]],
        color: str,
        *,
        width: float = 1.0,
        dashes: str = "",
        clipped: bool = False,
    ) -> None:
        """Several lines as one element."""
        look = {"fill": "none", "stroke": "currentColor", "stroke-width": f"{width:g}"}
        if dashes:
            look["stroke-dasharray"] = dashes
        self._path(" ".join(map(_path, lines)), color, look | (self._clip if clipped else {}))

    def area(self, points: Iterable[Point], color: str, *, opacity: float = 1.0, clipped: bool = False) -> None:
        """A filled outline."""
        look = {"fill": "currentColor", "fill-opacity": f"{opacity:g}"}
        self._path(f"{_path(points)} Z", color, look | (self._clip if clipped else {}))

    def marker(self, at: Point, shape: str, color: str, *, hollow: bool = False) -> None:
        """One of :data:`MARKERS`; a hollow one is filled with the paper's colour."""
        place = {"transform": f"translate({at[0]:.2f} {at[1]:.2f})", "stroke": "currentColor", "stroke-width": "1.4"}
        self._path(
            shape, f"{color} hollow" if hollow else color, place | {"fill": "#fffffe" if hollow else "currentColor"}
        )

    def text(
        self, at: Point, text: str, *, size: float, anchor: str = "start", color: str = "ink", turn: float = 0.0
    ) -> None:
        """A text whose base line begins, is centred or ends at a point."""
        attributes = {
            "x": f"{at[0]:.1f}",
            "y": f"{at[1]:.1f}",
            "text-anchor": anchor,
            "font-size": f"{size:g}",
            "fill": "currentColor",
        }
        if turn:
            attributes["transform"] = f"rotate({turn:g} {at[0]:.1f} {at[1]:.1f})"
        ET.SubElement(self._root, "text", _colored(color) | attributes).text = text

    def svg(self) -> str:
        """The picture."""
        return ET.tostring(self._root, encoding="unicode")

    def _path(self, data: str, color: str, look: dict[str, str]) -> None:
        ET.SubElement(self._root, "path", _colored(color) | {"d": data} | look)


def _colored(color: str) -> dict[str, str]:
    return {"class": color, "color": _COLORS[color.split()[0]]}


def _path(points: Iterable[Point]) -> str:
    """Path data of straight lines from point to point."""
    return "".join(f"{'L' if place else 'M'}{x:.2f} {y:.2f}" for place, (x, y) in enumerate(points))


def legend_of(names: Sequence[str]) -> tuple[LegendEntry, ...]:
    """An entry for each name, in the colour and with the marker of its place."""
    return tuple(
        LegendEntry(name, number % len(SERIES), marker=MARKERS[number % len(MARKERS)])
        for number, name in enumerate(names)
    )
