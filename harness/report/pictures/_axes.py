"""A pair of axes with ticks and a grid, and the few things that a picture draws between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from harness.report.pictures._labels import Box
from harness.report.pictures._svg import Canvas, Point
from harness.types import FloatArray

__all__ = ["Axes", "Axis"]

TICK_POINTS = 4.0
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


@dataclass(frozen=True)
class Axis:
    """What one axis shows.

    Args:
        title: its name, with the unit.
        low: value at its start; positive on a logarithmic axis.
        high: value at its end, above ``low``.
        log: logarithmic.
        label: a tick's text.
        most: labels that have room, at most.
    """

    title: str
    low: float
    high: float
    log: bool = False
    label: Callable[[float], str] = "{:g}".format
    most: int = MOST_TICKS

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
        return decades[:: math.ceil(len(decades) / self.most)]

    def labels(self) -> tuple[str, ...]:
        """The ticks' texts; on a linear axis all have the same number of decimals."""
        texts = tuple(map(self.label, self.ticks()))
        if self.log or self.label != Axis.label or any("e" in text for text in texts):
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
        rough = (self.high - self.low) / self.most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
        numbers = range(math.ceil(self.low / step), math.floor(self.high / step) + 1)
        # Rounding takes away what binary fractions add, far below a step, however small that is.
        decimals = 6 - math.floor(math.log10(rough))
        return tuple(round(number * step, decimals) for number in numbers)


class Axes:
    """Axes on a canvas.

    Args:
        canvas: where they are drawn.
        frame: the rectangle between them, in points from the upper left corner.
        x: the axis below.
        y: the axis on the left.
        size: of the letters, in points.
    """

    def __init__(self, canvas: Canvas, frame: Box, *, x: Axis, y: Axis, size: float) -> None:
        self.canvas, self.frame, self.x, self.y = canvas, frame, x, y
        self._size = size
        canvas.clip(frame.left, frame.bottom, frame.right, frame.top)
        self._draw()

    def at(self, x: float, y: float) -> Point:
        """Where a pair of values lies on the canvas."""
        (point,) = self._points([x], [y])
        return point

    def line(self, x: ArrayLike, y: ArrayLike, color: str, *, width: float = 1.0, dashes: str = "") -> None:
        """A line through these values, ``[k]`` each."""
        self.canvas.line(self._points(x, y), color, width=width, dashes=dashes, clipped=True)

    def area(self, x: ArrayLike, low: ArrayLike, high: ArrayLike, color: str, *, opacity: float) -> None:
        """What lies between two lines, ``[k]`` each."""
        outline = [*self._points(x, high), *reversed(list(self._points(x, low)))]
        self.canvas.area(outline, color, opacity=opacity, clipped=True)

    def _points(self, x: ArrayLike, y: ArrayLike) -> Iterator[Point]:
        frame = self.frame
        across = frame.left + (frame.right - frame.left) * self.x.shares(x)
        down = frame.top - (frame.top - frame.bottom) * self.y.shares(y)
        return zip(across.tolist(), down.tolist(), strict=True)

    def _draw(self) -> None:
        frame, grid, ticks = self.frame, [], []
        for value in self.x.ticks():
            x, _ = self.at(value, self.y.low)
            grid.append(((x, frame.bottom), (x, frame.top)))
            ticks.append(((x, frame.top), (x, frame.top + TICK_POINTS)))
        for value in self.y.ticks():
            _, y = self.at(self.x.low, value)
            grid.append(((frame.left, y), (frame.right, y)))
            ticks.append(((frame.left - TICK_POINTS, y), (frame.left, y)))
        for value in self.x.small_ticks():
            x, _ = self.at(value, self.y.low)
            ticks.append(((x, frame.top), (x, frame.top + TICK_POINTS / 2)))
        for value in self.y.small_ticks():
            _, y = self.at(self.x.low, value)
            ticks.append(((frame.left - TICK_POINTS / 2, y), (frame.left, y)))
        edges = [
            ((frame.left, frame.bottom), (frame.left, frame.top)),
            ((frame.left, frame.top), (frame.right, frame.top)),
        ]
        self.canvas.lines(grid, "grid", width=0.7)
        self.canvas.lines([*edges, *ticks], "soft", width=0.8)
        self._write()

    def _write(self) -> None:
        frame, size = self.frame, self._size
        for value, text in zip(self.x.ticks(), self.x.labels(), strict=True):
            x, _ = self.at(value, self.y.low)
            self.canvas.text((x, frame.top + TICK_POINTS + size), text, size=size - 1, anchor="middle", color="soft")
        for value, text in zip(self.y.ticks(), self.y.labels(), strict=True):
            _, y = self.at(self.x.low, value)
            place = (frame.left - TICK_POINTS - 3, y + CAPITAL * size)
            self.canvas.text(place, text, size=size - 1, anchor="end", color="soft")
        middle = ((frame.left + frame.right) / 2, self.canvas.height - 0.45 * size)
        self.canvas.text(middle, self.x.title, size=size, anchor="middle")
        side = (size, (frame.bottom + frame.top) / 2)
        self.canvas.text(side, self.y.title, size=size, anchor="middle", turn=-90)
