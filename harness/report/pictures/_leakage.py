"""Picture 2: leakage against latency, one marker per variant and runtime."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.report._clean import clean
from harness.report._format import duration, interval
from harness.report.model import ArtifactRow
from harness.report.pictures import _svg
from harness.report.pictures._axes import FONT_POINTS, Axes, Axis
from harness.report.pictures._labels import Box, place
from harness.types import Estimate

__all__ = ["draw"]

NANOSECONDS_PER_MILLISECOND = 1e6
# Clocks count whole nanoseconds; a smaller number is no latency.
LEAST_NANOSECONDS = 1.0
# From this ratio of slowest to fastest on, a linear axis would press the fast ones into its edge.
LOG_FROM_RATIO = 10.0
GUESSING = 0.5
# The least span of AUC that the picture shows: noise must not be magnified into a landscape.
LEAST_SPAN = (0.45, 0.65)
LINE_POINTS = 1.2
LABEL_POINTS = FONT_POINTS - 1.5
LABEL_LIMIT = 22
# Square points of labels that may be covered, over all of them, before numbers take the place of names.
LEGIBLE_OVERLAP = 8.0


@dataclass(frozen=True)
class Point:
    """One artifact on the paper: milliseconds and AUC, each with its interval."""

    name: str
    runtime: str
    latency: Estimate
    nr: Estimate
    sr: Estimate | None

    @property
    def x(self) -> float:
        """Median latency in milliseconds."""
        return self.latency.value / NANOSECONDS_PER_MILLISECOND

    @property
    def x_ends(self) -> tuple[float, float]:
        """The ends of the latency's interval in milliseconds; the value itself where there is none."""
        low, high = (end / NANOSECONDS_PER_MILLISECOND for end in (self.latency.low, self.latency.high))
        return (low if math.isfinite(low) and low > 0 else self.x), (high if math.isfinite(high) else self.x)

    @property
    def y_ends(self) -> tuple[float, float]:
        """The ends of the AUC's interval; the value itself where there is none."""
        low, high = (end if math.isfinite(end) else self.nr.value for end in (self.nr.low, self.nr.high))
        return low, high


def draw(rows: Iterable[ArtifactRow]) -> _svg.Picture | None:
    """The picture, or None where no artifact has both a latency and an AUC; the others are named in a note."""
    points, missing = [], []
    for row in rows:
        point = _point(row)
        if point is None:
            missing.append(f"{clean(row.artifact.variant)} ({clean(row.artifact.runtime)})")
        else:
            points.append(point)
    if not points:
        return None
    runtimes = sorted({point.runtime for point in points})
    axes = Axes(
        "leakage",
        x=_latency_axis([point.x for point in points]),
        y=_auc_axis(points),
        title="Leakage against latency",
        description=_describe(points),
    )
    axes.line([0, axes.x.high], [GUESSING, GUESSING], _svg.INK, dashes="4 3")
    for point in points:
        series = runtimes.index(point.runtime)
        _mark(axes, point, _svg.SERIES[series % len(_svg.SERIES)], _svg.MARKERS[series % len(_svg.MARKERS)])
    key = _write_labels(axes, points)
    legend = tuple(
        _svg.LegendEntry(runtime, i % len(_svg.SERIES), marker=_svg.MARKERS[i % len(_svg.MARKERS)])
        for i, runtime in enumerate(runtimes)
    )
    not_drawn = f"Not drawn, because a latency or an AUC is missing: {', '.join(missing)}." if missing else ""
    return _svg.Picture(axes.svg(), legend, tuple(note for note in (key, not_drawn) if note))


def _point(row: ArtifactRow) -> Point | None:
    latency = row.artifact.latency
    nr = _drawable(row.nr.headline if row.nr else None)
    if latency is None or nr is None or not latency.p50_ns.value >= LEAST_NANOSECONDS:
        return None
    sr = _drawable(row.sr.headline if row.sr else None)
    return Point(clean(row.artifact.variant), clean(row.artifact.runtime), latency.p50_ns, nr, sr)


def _drawable(estimate: Estimate | None) -> Estimate | None:
    return estimate if estimate is not None and estimate.resolvable and math.isfinite(estimate.value) else None


def _latency_axis(xs: Sequence[float]) -> Axis:
    title = "Median latency, milliseconds"
    if max(xs) / min(xs) >= LOG_FROM_RATIO:
        return Axis(title, min(xs) / 1.6, max(xs) * 1.9, log=True)
    # From zero, so that twice as far right is twice as slow.
    return Axis(title, 0, max(xs) * 1.3)


def _auc_axis(points: Sequence[Point]) -> Axis:
    ends = [end for point in points for end in (*point.y_ends, point.nr.value)]
    ends += [point.sr.value for point in points if point.sr is not None]
    low, high = min(LEAST_SPAN[0], *ends), max(LEAST_SPAN[1], *ends)
    margin = 0.05 * (high - low)
    return Axis("AUC of the strongest attack", low - margin, high + margin)


def _mark(axes: Axes, point: Point, color: str, shape: str) -> None:
    axes.line([point.x, point.x], point.y_ends, color, width=LINE_POINTS)
    axes.line(point.x_ends, [point.nr.value, point.nr.value], color, width=LINE_POINTS)
    if point.sr is not None:
        axes.marker(point.x, point.sr.value, shape, color, fill=_svg.PAPER)
    axes.marker(point.x, point.nr.value, shape, color, fill=color)


def _write_labels(axes: Axes, points: Sequence[Point]) -> str:
    """Write each variant's name beside its marker, or its number where names would cover one another.

    Returns:
        The key of the numbers in words; empty where names were written.
    """
    spots = [axes.at(point.x, point.nr.value) for point in points]
    hollow = [axes.at(point.x, point.sr.value) for point in points if point.sr]
    obstacles = [Box.around(x, y, _svg.MARKER_POINTS) for x, y in (*spots, *hollow)]
    obstacles += [_bar(axes, point) for point in points]
    names = [_short(point.name) for point in points]
    boxes, covered = place(spots, names, font_points=LABEL_POINTS, obstacles=obstacles, bounds=axes.bounds)
    key = ""
    if covered > LEGIBLE_OVERLAP:
        variants = list(dict.fromkeys(point.name for point in points))
        names = [str(1 + variants.index(point.name)) for point in points]
        boxes, _ = place(spots, names, font_points=LABEL_POINTS, obstacles=obstacles, bounds=axes.bounds)
        key = "Numbers: " + ", ".join(f"{i} {name}" for i, name in enumerate(variants, 1)) + "."
    for name, box in zip(names, boxes, strict=True):
        axes.write(box, name, size=LABEL_POINTS)
    return key


def _bar(axes: Axes, point: Point) -> Box:
    """The interval's line on the paper, with a little air."""
    (x, bottom), (_, top) = (axes.at(point.x, end) for end in point.y_ends)
    return Box(x - 1.5, bottom, x + 1.5, top)


def _short(name: str) -> str:
    return name if len(name) <= LABEL_LIMIT else name[: LABEL_LIMIT - 1] + "…"


def _describe(points: Sequence[Point]) -> str:
    sentences = "; ".join(
        f"{p.name} on {p.runtime}: {duration(p.latency.value)}, AUC {interval(p.nr)}"
        + (f", with the original {interval(p.sr)}" if p.sr else "")
        for p in points
    )
    return f"The dashed line at 0.5 is guessing. {sentences}."
