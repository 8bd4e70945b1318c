"""Predicted against true leakage, by two generators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from studies.kit.pages import Picture
from studies.kit.pictures import COLORS, axes, finish, guide, svg

__all__ = ["pictures"]

Row = dict[str, Any]
SHOWN = (("trajectory", COLORS[1], "^"), ("joint flips", COLORS[2], "s"), ("coordinates", COLORS[0], "o"))
# Smaller leakages are drawn here: nobody measures them.
FLOOR = 1e-4


def pictures(rows: Sequence[Row]) -> list[Picture]:
    """Predicted leakage against the truth of every quantizer that was rounded, by law and size."""
    known = [row for row in rows if row["truth"] is not None and row["learner"] == "rounded"]

    def draw(figure: Figure) -> None:
        ax = axes(figure, scale="log")
        for generator, color, marker in SHOWN:
            for kind, face in (("regression", "none"), ("mixture", color)):
                points = [
                    (max(row["printed"][generator]["delta"][0], FLOOR), max(row["truth"]["value"], FLOOR))
                    for row in known
                    if row["kind"] == kind and row["printed"][generator]["delta"] is not None
                ]
                if points:
                    x, y = zip(*points, strict=True)
                    label = f"{generator}, {kind} laws"
                    ax.scatter(
                        x, y, s=16, marker=marker, facecolors=face, edgecolors=color, linewidths=0.8, label=label
                    )
        guide(ax, FLOOR, 1.0, "equal")
        finish(ax, "Predicted and true leakage", x="Predicted Delta", y="True Delta", legend="lower right")

    return [Picture("predicted", "Predicted and true leakage", svg(draw))]
