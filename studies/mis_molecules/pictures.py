"""Privacy against use of quantized heads, one panel a task, and predicted against measured leakage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from studies.kit.pages import Picture
from studies.kit.pictures import COLORS, axes, finish, guide, svg
from studies.mis_molecules.names import ORDER_WORDS
from studies.mis_molecules.predictions import GENERATORS

__all__ = ["pictures"]

Row = dict[str, Any]
COLUMNS = 2
PANEL_WIDTH, PANEL_HEIGHT = 4.6, 3.4
# A family a colour, a member a marker.
MARKERS = "osD^vPX*"


def pictures(cases: Sequence[Row]) -> list[Picture]:
    """The attacker against the use that is lost, on the first representation; predictions and the attacker, on all."""
    tasks = [case for case in cases if case["representation"] == cases[0]["representation"]]
    attacker = "Advantage of the trained attacker, and use lost against the float head"
    predicted = "Advantage of the trained attacker, predicted and measured"
    return [
        Picture("predicted", predicted, _predicted(cases, predicted)),
        Picture("attacker", attacker, _panels(tasks, attacker, "2 Acc - 1, lower is safer")),
    ]


def _panels(tasks: Sequence[Row], title: str, label: str) -> str:
    lines = math.ceil((len(tasks) + 1) / COLUMNS)  # the last panel is the legend's

    def draw(figure: Figure) -> None:
        figure.suptitle(title, fontsize=12)
        panels = figure.subplots(lines, COLUMNS, squeeze=False)
        figure.subplots_adjust(left=0.08, right=0.98, bottom=0.4 / lines / PANEL_HEIGHT + 0.03, top=0.94, hspace=0.42)
        flat = list(panels.flat)
        for ax, task in zip(flat, tasks, strict=False):
            _panel(ax, task, label)
        for ax in flat[len(tasks) :]:
            ax.set_axis_off()
        handles, names = flat[0].get_legend_handles_labels()
        flat[len(tasks)].legend(handles, names, loc="center", ncols=2, fontsize=9, frameon=False)

    return svg(draw, width=COLUMNS * PANEL_WIDTH, height=lines * PANEL_HEIGHT)


def _predicted(cases: Sequence[Row], title: str) -> str:
    """Predictions of the attacker's advantage against what it reached, every quantizer with codes of every case."""

    def draw(figure: Figure) -> None:
        ax = axes(figure)
        for number, generator in enumerate(GENERATORS):
            points = [
                (row["predicted"][generator]["delta"]["value"], row["attack"]["trained"]["value"])
                for case in cases
                for row in case["rows"]
                if row["is_finite"] and row["predicted"][generator]["delta"]["resolvable"]
            ]
            x, y = zip(*points, strict=True) if points else ((), ())
            ax.plot(
                x,
                y,
                linestyle="none",
                marker=MARKERS[number % len(MARKERS)],
                color=COLORS[number % len(COLORS)],
                markersize=3,
                alpha=0.7,
                label=ORDER_WORDS[generator],
            )
        guide(ax, 0.0, ax.get_ylim()[1], "equal")
        finish(ax, title, x="Predicted", y="Measured, 2 Acc - 1")

    return svg(draw)


def _panel(ax: Axes, task: Row, label: str) -> None:
    classification = task["kind"] == "classification"
    names = [row["quantizer"] for row in task["rows"]]
    for row in task["rows"]:
        measured, lost = row["attack"]["trained"], row["use"]["difference"]
        y, low, high = measured["value"], measured["low"], measured["high"]
        # To the right is always worse.
        x, left, right = lost["value"], lost["low"], lost["high"]
        if classification:
            x, left, right = -x, -right, -left
        color, marker = _look(row["quantizer"], names)
        ax.errorbar(
            x,
            y,
            xerr=[[max(x - left, 0.0)], [max(right - x, 0.0)]],
            yerr=[[max(y - low, 0.0)], [max(high - y, 0.0)]],
            fmt=marker,
            color=color,
            markersize=5,
            elinewidth=0.7,
            label=row["quantizer"],
        )
    ax.tick_params(labelsize=8)
    title = f"{task['task']}, n = {task['n']}, N = {task['parts']['evaluation']}"
    x_title = "AUC lost" if classification else f"RMSE gained, {task['unit']}"
    finish(ax, title, x=x_title, y=label, legend=None, points=9)


def _look(name: str, names: Sequence[str]) -> tuple[str, str]:
    """Colour of the family and marker of the member."""
    families = list(dict.fromkeys(other.partition("-")[0] for other in names))
    family = name.partition("-")[0]
    members = [other for other in names if other.partition("-")[0] == family]
    return COLORS[families.index(family) % len(COLORS)], MARKERS[members.index(name) % len(MARKERS)]
