"""Predicted against true leakage, and the indicator against it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from studies.kit.pages import Picture
from studies.kit.pictures import COLORS, axes, finish, guide, svg

__all__ = ["pictures"]

Row = dict[str, Any]
REGIMES = (("tail", COLORS[0], "o"), ("moderate", COLORS[4], "s"), ("local", COLORS[1], "^"))
# Smaller leakage and a smaller indicator are drawn here: nobody measures them.
FLOOR, LEAST_N_R = 1e-12, 1e-3


def pictures(rows: Sequence[Row]) -> list[Picture]:
    """Predicted leakage, and n r, against the true leakage of every quantizer, law and size."""
    leaking = [row for row in rows if row["delta"] > FLOOR]
    predicted = [(row, _delta(row)) for row in leaking]
    probed = [(row, max(row["n_r"], LEAST_N_R)) for row in leaking if row["n_r"] is not None]
    first, second = "Predicted and true leakage", "Indicator and true leakage"
    return [
        Picture("predicted", first, _scatter(predicted, "Predicted leakage", first, diagonal=True)),
        Picture("indicator", second, _scatter(probed, "n r, nats", second, diagonal=False)),
    ]


def _scatter(points: Sequence[tuple[Row, float]], label: str, title: str, *, diagonal: bool) -> str:
    def draw(figure: Figure) -> None:
        ax = axes(figure, scale="log")
        for regime, color, marker in REGIMES:
            for kind, face in (("rounding", color), ("retraining", "none")):
                here = [(x, r["delta"]) for r, x in points if r["regime"] == regime and r["law"].startswith(kind)]
                if here:
                    x, y = zip(*here, strict=True)
                    name = f"{regime}, {kind} laws"
                    ax.scatter(x, y, s=18, marker=marker, facecolors=face, edgecolors=color, linewidths=0.9, label=name)
        if diagonal:
            guide(ax, FLOOR, 1.0, "equal")
        finish(ax, title, x=label, y="True leakage Delta")

    return svg(draw)


def _delta(row: Row) -> float:
    return FLOOR if row["best_log_delta"] is None else max(math.exp(row["best_log_delta"]), FLOOR)
