"""Places labels beside points so that they cover neither points nor one another, greedily and reproducibly."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Box", "place"]

# Mean advance of a sans-serif letter in shares of its size, rounded up: the reader's font cannot be measured here.
LETTER_WIDTH = 0.6
# Letters of some scripts, and pictographs, are twice as wide.
WIDE = ("W", "F")
LINE_HEIGHT = 1.15
# Distances between a point and its label that are tried, in points: farther away, nobody knows whose label it is.
DISTANCES = (6.0, 10.0, 15.0)
# Right and left of the point before above and below: that is where readers look for it.
ANGLES = (0, 180, 90, 270, 45, 315, 135, 225)
# Leaving the axes is worse than covering: such a label may be cut off.
OUTSIDE_WEIGHT = 10.0


@dataclass(frozen=True)
class Box:
    """A rectangle on the paper, in points."""

    left: float
    bottom: float
    right: float
    top: float

    @classmethod
    def around(cls, x: float, y: float, width: float, height: float | None = None) -> Box:
        """The box with this centre."""
        half_width, half_height = width / 2, (width if height is None else height) / 2
        return cls(x - half_width, y - half_height, x + half_width, y + half_height)

    @property
    def centre(self) -> tuple[float, float]:
        """The middle."""
        return (self.left + self.right) / 2, (self.bottom + self.top) / 2

    @property
    def area(self) -> float:
        """Square points."""
        return (self.right - self.left) * (self.top - self.bottom)

    def shared(self, other: Box) -> float:
        """The area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)


def place(
    spots: Sequence[tuple[float, float]],
    names: Sequence[str],
    *,
    font_points: float,
    obstacles: Sequence[Box],
    bounds: Box,
) -> tuple[list[Box], float]:
    """A box for each name: the first free place around its spot, else the one that covers least.

    Also returns the area in square points that labels cover or leave the bounds with, over all of them: 0 where
    everything fits.

    Args:
        spots: where the points are, in points on the paper.
        names: what to write beside each.
        font_points: size of the letters.
        obstacles: what no label should cover.
        bounds: what no label should leave.
    """
    taken = list(obstacles)
    boxes: dict[int, Box] = {}
    covered = 0.0
    # From left to right and bottom to top, whatever the report's order is.
    for index in sorted(range(len(spots)), key=lambda i: (spots[i], names[i])):
        best = min(_candidates(spots[index], names[index], font_points), key=lambda b: _cost(b, taken, bounds))
        boxes[index] = best
        covered += _cost(best, taken, bounds)
        taken.append(best)
    return [boxes[index] for index in range(len(spots))], covered


def _candidates(spot: tuple[float, float], name: str, font_points: float) -> Iterator[Box]:
    letters = sum(2 if unicodedata.east_asian_width(letter) in WIDE else 1 for letter in name)
    width, height = LETTER_WIDTH * font_points * letters, LINE_HEIGHT * font_points
    for distance in DISTANCES:
        for angle in ANGLES:
            across, up = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            x = spot[0] + across * distance + round(across) * width / 2
            y = spot[1] + up * distance + round(up) * height / 2
            yield Box.around(x, y, width, height)


def _cost(box: Box, taken: Sequence[Box], bounds: Box) -> float:
    # min() keeps the first of equals, and candidates come nearest first: a free near place wins over a free far one.
    return sum(box.shared(other) for other in taken) + OUTSIDE_WEIGHT * (box.area - box.shared(bounds))
