"""Privacy against use of quantized heads, one panel a task, and predicted against measured leakage."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from studies.kit.pages import Picture
from studies.kit.pictures import COLORS, axes, finish, guide, svg

__all__ = ["pictures"]

Row = dict[str, Any]
# Value, low and high.
Point = tuple[float, float, float]
COLUMNS = 2
PANEL_WIDTH, PANEL_HEIGHT = 4.6, 3.4
# A family a colour, a member a marker.
MARKERS = "osD^vP"
# Larger n r is drawn here: no interval of these studies can resolve it.
MOST_N_R = 100.0


def pictures(tasks: Sequence[Row]) -> list[Picture]:
    """The attacker and the indicator against the use that is lost; predictions and the attacker."""
    attacker = "Advantage of the trained attacker, and use lost against the float head"
    indicator = "Indicator n r, and use lost against the float head"
    predicted = "Advantage of the trained attacker, predicted and measured"
    return [
        Picture("attacker", attacker, _panels(tasks, attacker, "2 Acc - 1, lower is safer", _advantage, linear=True)),
        Picture("indicator", indicator, _panels(tasks, indicator, "n r, nats, higher is safer", _n_r, linear=False)),
        Picture("predicted", predicted, _predicted(tasks, predicted)),
    ]


def _advantage(row: Row) -> Point | None:
    e = row["attack"]["advantage"]
    return e["value"], e["low"], e["high"]


def _n_r(row: Row) -> Point | None:
    """n r with its interval; None for a single candidate, which was not probed."""
    estimated = row["mis"]
    if estimated["r"] is None:
        return None
    low, high = (MOST_N_R if end is None else min(estimated["n"] * end, MOST_N_R) for end in estimated["ci"])
    return min(estimated["n_r"], MOST_N_R), low, high


def _panels(
    tasks: Sequence[Row], title: str, label: str, height: Callable[[Row], Point | None], *, linear: bool
) -> str:
    lines = math.ceil((len(tasks) + 1) / COLUMNS)  # the last panel is the legend's

    def draw(figure: Figure) -> None:
        figure.suptitle(title, fontsize=12)
        panels = figure.subplots(lines, COLUMNS, squeeze=False)
        figure.subplots_adjust(left=0.08, right=0.98, bottom=0.4 / lines / PANEL_HEIGHT + 0.03, top=0.94, hspace=0.42)
        flat = list(panels.flat)
        for ax, task in zip(flat, tasks, strict=False):
            _panel(ax, task, label, height, linear=linear)
        for ax in flat[len(tasks) :]:
            ax.set_axis_off()
        handles, names = flat[0].get_legend_handles_labels()
        flat[len(tasks)].legend(handles, names, loc="center", ncols=2, fontsize=9, frameon=False)

    return svg(draw, width=COLUMNS * PANEL_WIDTH, height=lines * PANEL_HEIGHT)


def _predicted(tasks: Sequence[Row], title: str) -> str:
    """Both predictions of the attacker's advantage against what it reached, every quantizer of every task."""

    def draw(figure: Figure) -> None:
        ax = axes(figure)
        for color, marker, label, key in (
            (COLORS[0], "o", "law of undecided coordinates", "law"),
            (COLORS[1], "s", "from the refits as the only candidates", "predicted"),
        ):
            rows = [row["attack"] for task in tasks for row in task["rows"] if row["attack"][key] is not None]
            x = [row[key]["value"] if key == "law" else row[key] for row in rows]
            y = [row["advantage"]["value"] for row in rows]
            reach = [[row["advantage"][end] for row in rows] for end in ("low", "high")]
            below, above = np.subtract(y, reach[0]), np.subtract(reach[1], y)
            ax.errorbar(x, y, yerr=[below, above], fmt=marker, color=color, markersize=4, elinewidth=0.6, label=label)
        guide(ax, 0.0, ax.get_ylim()[1], "equal")
        finish(ax, title, x="Predicted", y="Measured, 2 Acc - 1")

    return svg(draw)


def _panel(ax: Axes, task: Row, label: str, height: Callable[[Row], Point | None], *, linear: bool) -> None:
    classification = task["kind"] == "classification"
    names = [row["quantizer"] for row in task["rows"]]
    for row in task["rows"]:
        point, lost = height(row), row["use"]["difference"]
        if point is None:
            continue
        y, low, high = point
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
    if not linear:
        ax.set_yscale("symlog", linthresh=1.0)
        ax.set_ylim(bottom=-0.1)  # r is clipped at 0, and its marker must be seen there
    ax.tick_params(labelsize=8)
    title = f"{task['task']}, n = {task['parts']['pool']}, N = {task['parts']['evaluation']}"
    x_title = "AUC lost" if classification else f"RMSE gained, {task['unit']}"
    finish(ax, title, x=x_title, y=label, legend=None, points=9)


def _look(name: str, names: Sequence[str]) -> tuple[str, str]:
    """Colour of the family and marker of the member."""
    families = list(dict.fromkeys(other.partition("-")[0] for other in names))
    family = name.partition("-")[0]
    members = [other for other in names if other.partition("-")[0] == family]
    return COLORS[families.index(family) % len(COLORS)], MARKERS[members.index(name) % len(MARKERS)]
