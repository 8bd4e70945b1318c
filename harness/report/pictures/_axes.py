"""A pair of axes with ticks and a grid, and the few things that a picture draws between them."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from harness.report.pictures import _svg
from harness.report.pictures._labels import Box
from harness.types import FloatArray

__all__ = ["FONT_POINTS", "Axes", "Axis"]

# A phone shows the picture at its natural size or slightly less, so that 10 points stay 9; a desk scales it up by half.
WIDTH, HEIGHT, FONT_POINTS = 374.4, 295.2, 10.0
# Where the axes lie, in points from the lower left corner: room for tick labels and titles on the left and below.
LEFT, RIGHT, BOTTOM, TOP = 52.0, 356.0, 41.0, 286.0
TICK_POINTS = 3.5
# Half the height of a capital in shares of its size: so far below its middle is a word's base line.
CAPITAL = 0.35
# More labels than this touch one another.
MOST_TICKS = 8
# Fewer powers of ten than this leave an axis nearly without labels.
FEW_DECADES = 3
# A value may lie far outside the axes; a viewer need not cope with its coordinate.
FURTHEST_SHARE = 3.0
# A logarithm needs a positive number; what is this much smaller than an axis' start lies outside anyway.
LEAST_RATIO = 1e-9

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """What one axis shows.

    Args:
        title: its name, with the unit.
        low: value at its start; positive on a logarithmic axis.
        high: value at its end, above ``low``.
        log: logarithmic.
        label: a tick's text.
    """

    title: str
    low: float
    high: float
    log: bool = False
    label: Callable[[float], str] = "{:g}".format

    def shares(self, values: ArrayLike) -> FloatArray:
        """Where values lie between the axis' ends, 0 to 1."""
        values = np.asarray(values, dtype=np.float64)
        if self.log:
            ratios = np.maximum(values / self.low, LEAST_RATIO)
            shares = np.log(ratios) / math.log(self.high / self.low)
        else:
            shares = (values - self.low) / (self.high - self.low)
        return np.clip(shares, -FURTHEST_SHARE, FURTHEST_SHARE)

    def ticks(self) -> tuple[float, ...]:
        """Values that get a label and a line of the grid."""
        if not self.log:
            return self._linear_ticks()
        decades = self._multiples(1)
        if len(decades) < FEW_DECADES:
            return self._multiples(1, 2, 5)
        return decades[:: math.ceil(len(decades) / MOST_TICKS)]

    def labels(self) -> tuple[str, ...]:
        """The ticks' texts; on a linear axis all have the same number of decimals."""
        texts = tuple(map(self.label, self.ticks()))
        if self.log or any("e" in text for text in texts):
            return texts
        decimals = max(len(text.partition(".")[2]) for text in texts)
        return tuple(f"{value:.{decimals}f}" for value in self.ticks())

    def small_ticks(self) -> tuple[float, ...]:
        """Values that get a tick alone: they show that an axis is logarithmic."""
        return self._multiples(*range(2, 10)) if self.log and len(self._multiples(1)) <= MOST_TICKS else ()

    def _multiples(self, *factors: int) -> tuple[float, ...]:
        """These multiples of powers of ten, between the axis' ends."""
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        values = (factor * 10.0**power for power in powers for factor in factors)
        slack = (self.high / self.low) ** 1e-7  # a share of the axis, however narrow it is
        return tuple(value for value in values if self.low <= value * slack and value <= self.high * slack)

    def _linear_ticks(self) -> tuple[float, ...]:
        rough = (self.high - self.low) / MOST_TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
        numbers = range(math.ceil(self.low / step), math.floor(self.high / step) + 1)
        # Rounding takes away what binary fractions add, far below a step, however small that is.
        decimals = 6 - math.floor(math.log10(rough))
        return tuple(round(number * step, decimals) for number in numbers)


class Axes:
    """Axes on paper. Coordinates of :meth:`at` are points from the lower left corner.

    Args:
        name: prefix of every id, so that several pictures share a page.
        x: the axis below.
        y: the axis on the left.
        title: the picture's name for screen readers.
        description: what it shows, in words.
    """

    bounds = Box(LEFT, BOTTOM, RIGHT, TOP)

    def __init__(self, name: str, *, x: Axis, y: Axis, title: str, description: str) -> None:
        self.x, self.y = x, y
        self._root = _svg.start(name, width=WIDTH, height=HEIGHT, title=title, description=description)
        clip = _svg.add(self._root, "clipPath", {"id": f"{name}-axes"})
        area = {"x": LEFT, "y": HEIGHT - TOP, "width": RIGHT - LEFT, "height": TOP - BOTTOM}
        _svg.add(clip, "rect", {key: f"{value:g}" for key, value in area.items()})
        self._clip = f"url(#{name}-axes)"
        self._draw_axes()

    def at(self, x: float, y: float) -> Point:
        """Where a pair of values lies on the paper."""
        ((across, up),) = self._points([x], [y])
        return across, HEIGHT - up

    def line(self, x: ArrayLike, y: ArrayLike, color: str, *, width: float = 1.0, dashes: str = "") -> None:
        """A line through these values, ``[k]`` each."""
        look = _svg.style(fill="none", stroke=_svg.paint(color), stroke_width=width)
        if dashes:
            look += f"; stroke-dasharray: {dashes}"
        self._path(_svg.path(self._points(x, y)), look)

    def area(self, x: ArrayLike, low: ArrayLike, high: ArrayLike, color: str, *, opacity: float) -> None:
        """What lies between two lines, ``[k]`` each."""
        outline = [*self._points(x, high), *reversed(list(self._points(x, low)))]
        look = _svg.style(fill=_svg.paint(color), fill_opacity=opacity, stroke="none")
        self._path(_svg.path(outline, closed=True), look)

    def marker(self, x: float, y: float, shape: str, color: str, *, fill: str) -> None:
        """One of :data:`_svg.MARKERS` at a pair of values."""
        across, up = self.at(x, y)
        look = _svg.style(fill=_svg.paint(fill), stroke=_svg.paint(color), stroke_width=1)
        where = f"translate({across:.2f} {HEIGHT - up:.2f})"
        _svg.add(self._root, "path", {"d": shape, "transform": where, "style": look})

    def write(self, box: Box, text: str, *, size: float) -> None:
        """A text in the middle of a box on the paper."""
        across, up = box.centre
        self._text(text, across, up - CAPITAL * size, size=size)

    def svg(self) -> str:
        """The picture."""
        return ET.tostring(self._root, encoding="unicode")

    def _points(self, x: ArrayLike, y: ArrayLike) -> Iterator[Point]:
        """Values as points of the SVG, whose y runs downwards."""
        across = LEFT + (RIGHT - LEFT) * self.x.shares(x)
        up = BOTTOM + (TOP - BOTTOM) * self.y.shares(y)
        return zip(across.tolist(), (HEIGHT - up).tolist(), strict=True)

    def _path(self, data: str, look: str) -> None:
        _svg.add(self._root, "path", {"d": data, "clip-path": self._clip, "style": look})

    def _text(self, text: str, x: float, y: float, *, size: float, anchor: str = "middle", turn: float = 0) -> None:
        """A text whose base line is at ``y``, in points from the lower left corner."""
        attributes = {
            "x": f"{x:.2f}",
            "y": f"{HEIGHT - y:.2f}",
            "text-anchor": anchor,
            "style": _svg.style(font_size=f"{size:g}px", fill=_svg.paint(_svg.INK)),
        }
        if turn:
            attributes["transform"] = f"rotate({turn:g} {x:.2f} {HEIGHT - y:.2f})"
        _svg.add(self._root, "text", attributes).text = text

    def _draw_axes(self) -> None:
        grid: list[tuple[Point, Point]] = []
        ticks = [((LEFT, TOP), (LEFT, BOTTOM)), ((LEFT, BOTTOM), (RIGHT, BOTTOM))]
        for axis, is_x in ((self.x, True), (self.y, False)):
            first, last, across = (LEFT, RIGHT, TOP - BOTTOM) if is_x else (BOTTOM, TOP, RIGHT - LEFT)
            places = first + (last - first) * axis.shares(axis.ticks())
            small = first + (last - first) * axis.shares(axis.small_ticks())
            grid += [(_beside(place, 0, is_x), _beside(place, -across, is_x)) for place in places]
            ticks += [(_beside(place, 0, is_x), _beside(place, TICK_POINTS, is_x)) for place in places]
            ticks += [(_beside(place, 0, is_x), _beside(place, TICK_POINTS / 2, is_x)) for place in small]
            for text, place in zip(axis.labels(), places, strict=True):
                self._label(text, place, is_x)
        self._ruled(grid, width=0.6)
        self._ruled(ticks, width=0.8)
        self._text(self.x.title, (LEFT + RIGHT) / 2, 12, size=FONT_POINTS)
        self._text(self.y.title, 11, (BOTTOM + TOP) / 2, size=FONT_POINTS, turn=-90)

    def _label(self, text: str, place: float, is_x: bool) -> None:
        size = FONT_POINTS - 1
        if is_x:
            self._text(text, place, BOTTOM - 13, size=size)
        else:
            self._text(text, LEFT - 6, place - CAPITAL * size, size=size, anchor="end")

    def _ruled(self, lines: Sequence[tuple[Point, Point]], *, width: float) -> None:
        """Many lines of the grid's colour as one path."""
        data = " ".join(_svg.path((x, HEIGHT - y) for x, y in line) for line in lines)
        look = _svg.style(fill="none", stroke=_svg.paint(_svg.GRID), stroke_width=width)
        _svg.add(self._root, "path", {"d": data, "style": look})


def _beside(place: float, outwards: float, is_x: bool) -> Point:
    """The point beside an axis: ``place`` along it, ``outwards`` from it, away from the other axis."""
    return (place, BOTTOM - outwards) if is_x else (LEFT - outwards, place)
