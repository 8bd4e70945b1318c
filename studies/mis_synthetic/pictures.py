"""Predicted against true leakage, as SVG."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.figure import Figure

from studies.drawing import COLORS, svg

__all__ = ["pictures"]

Row = dict[str, Any]
REGIMES = (("tail", COLORS[0], "o"), ("moderate", COLORS[4], "s"), ("local", COLORS[1], "^"))
# Leakage below this is drawn here: nobody measures it.
FLOOR = 1e-12


def pictures(found: Row) -> list[tuple[str, str, str]]:
    """(name, title, SVG): predicted leakage, and n r, against the true leakage of every quantizer, law and size."""
    rows = [row for row in found["rows"] if row["delta"] > FLOOR]
    predicted = [(row, _delta(row)) for row in rows]
    told = [(row, max(row["n_r"], 1e-3)) for row in rows if row["n_r"] is not None]
    first, second = "Predicted and true leakage", "Indicator and true leakage"
    return [
        ("predicted", first, _scatter(predicted, "Predicted leakage", first, diagonal=True)),
        ("indicator", second, _scatter(told, "n r, nats", second, diagonal=False)),
    ]


def _scatter(points: list[tuple[Row, float]], label: str, title: str, *, diagonal: bool) -> str:
    def draw(figure: Figure) -> None:
        ax = figure.add_axes((0.12, 0.12, 0.83, 0.8))
        ax.set_xscale("log")
        ax.set_yscale("log")
        for regime, color, marker in REGIMES:
            for kind, face in (("rounding", color), ("retraining", "none")):
                here = [(x, r["delta"]) for r, x in points if r["regime"] == regime and r["law"].startswith(kind)]
                if here:
                    x, y = zip(*here, strict=True)
                    name = f"{regime}, {kind} laws"
                    ax.scatter(x, y, s=18, marker=marker, facecolors=face, edgecolors=color, linewidths=0.9, label=name)
        if diagonal:
            ax.plot([FLOOR, 1], [FLOOR, 1], color="#57606a", linewidth=1, linestyle=(0, (4, 3)), label="equal")
        ax.set_xlabel(label)
        ax.set_ylabel("True leakage Delta")
        ax.set_title(title, fontsize=11)
        ax.grid(visible=True, which="major", color="#d0d7de", linewidth=0.6)
        ax.legend(fontsize=8, frameon=True)

    return svg(draw)


def _delta(row: Row) -> float:
    return max(math.exp(row["best_log_delta"]), FLOOR) if row["best_log_delta"] is not None else FLOOR
