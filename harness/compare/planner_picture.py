"""The plan as a picture: every set by its total size and its leakage, with the policy's limit and the best set."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.compare.planner_result import FileSet, Plan, Planned
from harness.compare.standalone import standing_alone
from harness.plain import plain
from harness.policy import Outcome
from harness.report.pictures import MARKERS, Axes, Axis, Box, Canvas

__all__ = ["picture"]

WIDTH, HEIGHT, FONT_POINTS = 640.0, 440.0, 12.0
FRAME = Box(64.0, 76.0, 620.0, 396.0)
LEGEND_TOP, LEGEND_STEP = 42.0, 18.0
GUESSING = 0.5
# The least span of AUC that the picture shows: noise must not be magnified into a landscape.
LEAST_SPAN = (0.48, 0.58)
KILOBYTE = 1e3
# Colour and shape of each verdict: colour is never the only sign.
LOOKS: dict[Outcome, tuple[str, str]] = {
    "pass": ("s2", MARKERS[0]),
    "inconclusive": ("s4", MARKERS[1]),
    "fail": ("s1", MARKERS[2]),
}


def picture(plan: Plan) -> str:
    """An SVG that needs nothing beside it, light or dark as its viewer is.

    Args:
        plan: what was found; the runtime with the best set is drawn, or the first.
    """
    drawn = plan.planned[plan.best or 0]
    sets = [one for one in drawn.sets if math.isfinite(one.leakage.value)]
    title = f"What every set of files leaks: {plain(plan.run, length=60)}"
    canvas = Canvas("plan", width=WIDTH, height=HEIGHT, title=title, description=_describe(plan, drawn))
    canvas.text((FRAME.left, 20.0), title, size=FONT_POINTS + 2)
    bars = [one for one in (drawn.of_size(1), drawn.of_size(2), drawn.of_size(len(drawn.files)), drawn.best_set) if one]
    axes = Axes(canvas, FRAME, x=_x_axis(drawn, sets), y=_y_axis(sets, bars, plan.limit), size=FONT_POINTS)
    ends = [axes.x.low, axes.x.high]
    axes.line(ends, [GUESSING, GUESSING], "soft", dashes="2 2")
    if plan.limit is not None:
        axes.line(ends, [plan.limit, plan.limit], "limit", width=1.4, dashes="6 2")
    for outcome, (color, shape) in LOOKS.items():
        for one in sets:
            if one.outcome == outcome:
                at = axes.at(_x_of(drawn, one), one.leakage.value)
                canvas.marker(at, shape, color, hollow=not one.on_front)
    for one in bars:
        x = _x_of(drawn, one)
        axes.line([x, x], [one.leakage.low, one.leakage.high], LOOKS[one.outcome][0], width=1.6)
    if drawn.best_set is not None:
        across, down = axes.at(_x_of(drawn, drawn.best_set), drawn.best_set.leakage.value)
        canvas.text((across, down - 10.0), "best", size=FONT_POINTS, anchor="middle")
    _write_legend(canvas, plan, drawn)
    return standing_alone(canvas.svg())


def _x_of(drawn: Planned, one: FileSet) -> float:
    size = one.size_bytes
    return float(len(one.files)) if size is None or not _has_sizes(drawn) else size / KILOBYTE


def _has_sizes(drawn: Planned) -> bool:
    return all(file.size_bytes is not None for file in drawn.files)


def _x_axis(drawn: Planned, sets: Sequence[FileSet]) -> Axis:
    title = "Size of all files in the set, kB" if _has_sizes(drawn) else "Files in the set"
    return Axis(title, 0.0, 1.06 * max((_x_of(drawn, one) for one in sets), default=1.0))


def _y_axis(sets: Sequence[FileSet], bars: Sequence[FileSet], limit: float | None) -> Axis:
    ends = [one.leakage.value for one in sets]
    ends += [end for one in bars for end in (one.leakage.low, one.leakage.high) if math.isfinite(end)]
    ends += [] if limit is None else [limit]
    low, high = min(*LEAST_SPAN, *ends), max(*LEAST_SPAN, *ends)
    margin = 0.04 * (high - low)
    return Axis("AUC of the strongest attack on the set", low - margin, high + margin)


def _write_legend(canvas: Canvas, plan: Plan, drawn: Planned) -> None:
    """The signs that are in the picture, two rows of them."""
    counts = {outcome: sum(one.outcome == outcome for one in drawn.sets) for outcome in LOOKS}
    x = FRAME.left + 5.0
    for outcome, count in counts.items():
        if count:
            color, shape = LOOKS[outcome]
            canvas.marker((x, LEGEND_TOP), shape, color)
            canvas.text((x + 10.0, LEGEND_TOP + 4.0), f"{outcome} ({count:,})", size=FONT_POINTS)
            x += 140.0
    words = "Filled: no set beats it. Bars: intervals that hold for all sets at once."
    words += f" Dashes: limit {plan.limit:g}." if plan.limit is not None else ""
    canvas.text((FRAME.left, LEGEND_TOP + LEGEND_STEP + 4.0), words, size=FONT_POINTS - 1, color="soft")


def _describe(plan: Plan, drawn: Planned) -> str:
    """The picture in words."""
    parts = [f"{len(drawn.sets)} sets of {len(drawn.files)} files. The dotted line at 0.5 is guessing."]
    if plan.limit is not None:
        parts.append(f"The dashed line at {plan.limit:g} is the policy's limit.")
    if drawn.best_set is not None:
        best = drawn.best_set
        parts.append(f"The best set that passes: {best.name}, AUC {best.leakage.value:.3f}.")
    return plain(" ".join(parts))
