"""The runs of one audit over time: its strongest attack, and how it changed from each release to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.compare.run_list import ListedRun, listed
from harness.compare.standalone import standing_alone
from harness.compare.two_runs import Side, compare
from harness.compare.two_runs_result import Strongest
from harness.errors import EdgeleakError, RunError, UsageError
from harness.plain import plain
from harness.report.pictures import MARKERS, Axes, Axis, Box, Canvas
from harness.types import Estimate

__all__ = ["Release", "Trend", "picture", "sparkline", "trend"]

BARS = "▁▂▃▄▅▆▇█"
WIDTH, HEIGHT, FONT_POINTS = 640.0, 320.0, 12.0
FRAME = Box(64.0, 34.0, 620.0, 262.0)
LEAST_SPAN = (0.48, 0.58)


@dataclass(frozen=True)
class Release:
    """One run of the audit.

    Args:
        run: as it is listed.
        auc: of its strongest attack, with the interval that holds for all its attacks.
        change: of the strongest attack since the run before; None for the first, and where it cannot be told.
        how: how the two were compared, or why they were not.
    """

    run: ListedRun
    auc: Estimate
    change: Strongest | None
    how: str

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        change = None if self.change is None else self.change.to_json()
        return {**self.run.to_json(), "change": change, "how": self.how or None}


@dataclass(frozen=True)
class Trend:
    """The runs of one audit.

    Args:
        name: the audit.
        releases: the oldest first.
        left_out: runs of it that have no result, with the reason.
    """

    name: str
    releases: tuple[Release, ...]
    left_out: tuple[tuple[Path, str], ...] = ()

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "name": self.name,
            "releases": [one.to_json() for one in self.releases],
            "left_out": [{"run": str(folder), "reason": reason} for folder, reason in self.left_out],
        }


def trend(folder: Path, name: str | None, progress: Callable[[str, int, int], None]) -> Trend:
    """The runs of one audit in a folder, compared one after the other.

    Args:
        folder: the folder that the runs lie in.
        name: the audit; None where all runs are of one.
        progress: called as ``progress(text, done, total)``.

    Raises:
        RunError: there is no run of it that has a result.
        UsageError: the runs are of several audits and none is named.
    """
    runs = [run for run in reversed(listed(folder)) if run.name]
    names = list(dict.fromkeys(run.name for run in runs))
    if name is None and len(names) > 1:
        raise UsageError(f"{folder}: holds runs of {', '.join(names)}", hint="name one with --name")
    chosen = name or (names[0] if names else "")
    runs = [run for run in runs if run.name == chosen]
    found: list[Release] = []
    left_out: list[tuple[Path, str]] = []
    before: Side | None = None
    for done, run in enumerate(runs):
        progress("compare", done, len(runs))
        if run.auc is None:
            left_out.append((run.folder, run.problem or "its attacks have no result"))
            continue
        change, how, side = None, "", None
        try:
            side = Side.read(run.folder)
            if before is not None:
                compared = compare(before, side)
                change, how = compared.strongest, compared.how
        except EdgeleakError as error:  # a damaged run does not hide the others
            how = f"not compared: {error.message}"
        before = side or before
        found.append(Release(run, run.auc, change, how))
    progress("compare", len(runs), len(runs))
    if not found:
        raise RunError(f"{folder}: no run{f' of {chosen}' if chosen else ''} has a result", hint="audit first")
    return Trend(chosen, tuple(found), tuple(left_out))


def sparkline(values: Sequence[float]) -> str:
    """One bar a value, from the smallest to the largest of them; AUCs below .5 and above 1 do not stretch it."""
    low, high = min(0.5, *values), max(0.6, *values)
    return "".join(BARS[min(len(BARS) - 1, int((value - low) / (high - low) * len(BARS)))] for value in values)


def picture(made: Trend) -> str:
    """The AUCs with their intervals, as an SVG that needs nothing beside it."""
    title = f"Strongest attack of each run: {plain(made.name, length=60)}"
    texts = [
        f"{one.run.created}: AUC {one.auc.value:.3f} [{one.auc.low:.3f}, {one.auc.high:.3f}]" for one in made.releases
    ]
    canvas = Canvas("trend", width=WIDTH, height=HEIGHT, title=title, description=plain("; ".join(texts), length=4000))
    canvas.text((FRAME.left, 20.0), title, size=FONT_POINTS + 2)
    ends = [end for one in made.releases for end in (one.auc.low, one.auc.high, one.auc.value)]
    low, high = min(LEAST_SPAN[0], *ends), max(LEAST_SPAN[1], *ends)
    count = len(made.releases)
    x_axis = Axis("Run, the oldest first", 0.0, count + 1.0, label=lambda at: f"{at:g}" if at == int(at) else "")
    y_axis = Axis("AUC", low - 0.04 * (high - low), high + 0.04 * (high - low))
    axes = Axes(canvas, FRAME, x=x_axis, y=y_axis, size=FONT_POINTS)
    axes.line([0.0, count + 1.0], [0.5, 0.5], "soft", dashes="2 2")
    places = [float(at) for at in range(1, count + 1)]
    axes.line(places, [one.auc.value for one in made.releases], "s0", width=1.2)
    for at, one in zip(places, made.releases, strict=True):
        axes.line([at, at], [one.auc.low, one.auc.high], "s0", width=1.6)
        canvas.marker(axes.at(at, one.auc.value), MARKERS[0], "s0")
    return standing_alone(canvas.svg())
