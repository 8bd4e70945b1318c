"""Picture 2: leakage against latency, one marker per variant and runtime."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from harness.report import _read, _svg
from harness.report._format import duration, interval
from harness.report._labels import Box, place
from harness.report._model import ArtifactRow
from harness.stats import Estimate

__all__ = ["draw"]

NANOSECONDS_PER_MILLISECOND = 1e6
# From this ratio of slowest to fastest on, a linear axis would press the fast ones into its edge.
LOG_FROM_RATIO = 10.0
GUESSING = 0.5
# The least span of AUC that the picture shows: noise must not be magnified into a landscape.
LEAST_SPAN = (0.45, 0.65)
MARKER_POINTS = 7.0
# Square points of labels that may be covered, over all of them, before numbers take the place of names.
LEGIBLE_OVERLAP = 8.0


@dataclass(frozen=True)
class Point:
    """One artifact on the paper: milliseconds and AUC, each with its interval."""

    name: str
    runtime: str
    is_control: bool
    latency: Estimate
    nr: Estimate
    sr: Estimate | None

    @property
    def x(self) -> float:
        """Median latency in milliseconds."""
        return self.latency.value / NANOSECONDS_PER_MILLISECOND


def draw(artifacts: Iterable[ArtifactRow]) -> _svg.Picture | None:
    """The picture, or None where no artifact has both a latency and an AUC; the others are named in a note."""
    rows = tuple(artifacts)
    points = [p for p in map(_point, rows) if p is not None]
    missing = [f"{r.variant} ({r.runtime})" for r in rows if _point(r) is None]
    if not points:
        return None
    runtimes = sorted({p.runtime for p in points})
    with _svg.drawing():
        figure, ax = _svg.axes(x_title="Median latency, milliseconds", y_title="AUC of the strongest attack")
        _scale(ax, points)
        ax.axhline(GUESSING, color=_svg.INK, linewidth=1, linestyle=(0, (4, 3)))
        for point in points:
            _mark(ax, point, runtimes.index(point.runtime))
        key = _write_labels(ax, points)
        svg = _svg.inline(figure, name="leakage", title="Leakage against latency", description=_describe(points))
    legend = tuple(
        _svg.LegendEntry(runtime, i % len(_svg.SERIES), marker=_svg.MARKERS[i % len(_svg.MARKERS)])
        for i, runtime in enumerate(runtimes)
    )
    want = f"Not drawn, for want of a latency or an AUC: {', '.join(missing)}." if missing else ""
    return _svg.Picture(svg, legend, tuple(note for note in (key, want) if note))


def _point(row: ArtifactRow) -> Point | None:
    latency = _read.estimate(_read.mapping(row.node, "latency"), "p50_ns")
    nr = _drawable(row.nr.headline if row.nr else None)
    if latency is None or nr is None or not (math.isfinite(latency.value) and latency.value > 0):
        return None
    sr = _drawable(row.sr.headline if row.sr else None)
    return Point(row.variant, row.runtime, row.is_control, latency, nr, sr)


def _drawable(estimate: Estimate | None) -> Estimate | None:
    return estimate if estimate is not None and estimate.resolvable and math.isfinite(estimate.value) else None


def _scale(ax: Axes, points: Sequence[Point]) -> None:
    xs = [p.x for p in points]
    ends = [e for p in points for e in (p.nr.value, p.nr.low, p.nr.high, p.sr.value if p.sr else p.nr.value)]
    known = [e for e in ends if math.isfinite(e)]
    low, high = min(LEAST_SPAN[0], *known), max(LEAST_SPAN[1], *known)
    margin = 0.05 * (high - low)
    ax.set_ylim(low - margin, high + margin)
    if max(xs) / min(xs) >= LOG_FROM_RATIO:
        ax.set_xscale("log")
        ax.set_xlim(min(xs) / 1.6, max(xs) * 1.9)
        ax.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
    else:
        # From zero, so that twice as far right is twice as slow.
        ax.set_xlim(0, max(xs) * 1.3)


def _mark(ax: Axes, point: Point, runtime: int) -> None:
    color = _svg.SERIES[runtime % len(_svg.SERIES)]
    marker = _svg.MARKERS[runtime % len(_svg.MARKERS)]
    ax.plot([point.x, point.x], _ends(point), color=color, linewidth=1.2)
    left, right = (
        e / NANOSECONDS_PER_MILLISECOND if math.isfinite(e) and e > 0 else point.x
        for e in (point.latency.low, point.latency.high)
    )
    ax.plot([left, right], [point.nr.value, point.nr.value], color=color, linewidth=1.2)
    common = {"linestyle": "none", "marker": marker, "markersize": MARKER_POINTS, "markeredgecolor": color}
    if point.sr is not None:
        ax.plot([point.x], [point.sr.value], markerfacecolor=_svg.PAPER, **common)  # type: ignore[arg-type]
    ax.plot([point.x], [point.nr.value], markerfacecolor=color, **common)  # type: ignore[arg-type]


def _ends(point: Point) -> tuple[float, float]:
    """The ends of the AUC's interval; the value itself where there is none."""
    low, high = (e if math.isfinite(e) else point.nr.value for e in (point.nr.low, point.nr.high))
    return low, high


def _bar(ax: Axes, point: Point) -> Box:
    """The interval's line on the paper, with a little air."""
    (x, bottom), (_, top) = ax.transData.transform([(point.x, end) for end in _ends(point)])
    return Box(float(x) - 1.5, float(bottom), float(x) + 1.5, float(top))


def _write_labels(ax: Axes, points: Sequence[Point]) -> str:
    """Write each variant's name beside its marker, or its number where names would cover one another.

    Returns:
        The key of the numbers in words; empty where names were written.
    """
    spots = [_on_paper(ax, p.x, p.nr.value) for p in points]
    hollow = [_on_paper(ax, p.x, p.sr.value) for p in points if p.sr]
    obstacles = [Box.around(x, y, MARKER_POINTS) for x, y in (*spots, *hollow)] + [_bar(ax, p) for p in points]
    window = ax.get_window_extent()
    bounds = Box(window.x0, window.y0, window.x1, window.y1)
    size = _svg.FONT_POINTS - 1.5
    names = [_svg.label(p.name) for p in points]
    boxes, covered = place(spots, names, font_points=size, obstacles=obstacles, bounds=bounds)
    key = ""
    if covered > LEGIBLE_OVERLAP:
        variants = list(dict.fromkeys(p.name for p in points))
        names = [str(1 + variants.index(p.name)) for p in points]
        boxes, _ = place(spots, names, font_points=size, obstacles=obstacles, bounds=bounds)
        key = "Numbers: " + ", ".join(f"{i} {name}" for i, name in enumerate(variants, 1)) + "."
    for name, box in zip(names, boxes, strict=True):
        x, y = ax.transData.inverted().transform(box.centre)
        text = ax.text(float(x), float(y), name, ha="center", va="center", fontsize=size)
        # A name may hold a dollar sign, and must not be read as mathematics.
        text.set(color=_svg.INK, parse_math=False)
    return key


def _on_paper(ax: Axes, x: float, y: float) -> tuple[float, float]:
    across, up = ax.transData.transform((x, y))
    return float(across), float(up)


def _describe(points: Sequence[Point]) -> str:
    told = "; ".join(
        f"{p.name} on {p.runtime}: {duration(p.latency.value)}, AUC {interval(p.nr)}"
        + (f", with the original {interval(p.sr)}" if p.sr else "")
        for p in points
    )
    return f"The dashed line at 0.5 is guessing. {told}."
