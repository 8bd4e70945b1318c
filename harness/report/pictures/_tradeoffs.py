"""Leakage against size, accuracy and latency: three small pictures with the same marks and the same numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.report._clean import clean
from harness.report._files import FileRow, Place, place_name
from harness.report._format import bytes_text, duration, interval
from harness.report.pictures._axes import Axes, Axis
from harness.report.pictures._labels import Box, place
from harness.report.pictures._svg import MARKER_POINTS, MARKERS, Canvas, LegendEntry, Picture, legend_of
from harness.types import Estimate

__all__ = ["Tradeoffs", "draw"]

WIDTH, HEIGHT, SIZE = 360.0, 290.0, 12.0
FRAME = Box(56, 10, 350, 244)
# From this ratio of largest to smallest on, a linear axis would press the small ones into its edge.
LOG_FROM_RATIO = 10.0
GUESSING = 0.5
LEAST_SPAN = (0.45, 0.65)
LABEL_POINTS = SIZE - 1
# More marks than this leave no room for their numbers.
MOST_NUMBERED = 40
# A larger number is no size and no time that we know.
LARGEST = 1e18


@dataclass(frozen=True)
class Tradeoffs:
    """The pictures, and what is common to them.

    Args:
        pictures: one a quantity that is known of at least two files.
        legend: the places.
        numbers: which number stands for which variant, as a sentence.
        caption: what the bars are.
        notes: what is not drawn, and why.
    """

    pictures: tuple[Picture, ...]
    legend: tuple[LegendEntry, ...]
    numbers: str
    caption: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Quantity:
    """What one picture has below: its value of a file, and the units from the largest down; none for a share."""

    name: str
    title: str
    value: Callable[[FileRow], float | None]
    shown: Callable[[float], str]
    units: tuple[tuple[str, float], ...] = ()


def draw(files: Sequence[FileRow], *, no_latency: str = "") -> Tradeoffs | None:
    """The pictures, or None where no quantity is known of two files.

    Args:
        files: a row each; controls are left out.
        no_latency: why latencies compare nothing, as a sentence; empty where they may be drawn.
    """
    shipped = [row for row in files if not row.is_control]
    known = [row for row in shipped if _auc(row) is not None]
    variants = list(dict.fromkeys(row.variants[0] for row in known))
    places = list(dict.fromkeys(row.place for row in known))
    pictures, notes = [], []
    for quantity in _QUANTITIES[: 2 if no_latency else 3]:
        points = [row for row in known if quantity.value(row) is not None]
        if len(points) > 1:
            pictures.append(_picture(quantity, points, variants, places))
            left = len(shipped) - len(points)
            notes += (
                [f"{left} of {len(shipped)} files have no {quantity.name} or no AUC and are not drawn against it."]
                if left
                else []
            )
    if no_latency and pictures:
        notes.append(no_latency)
    if not pictures:
        return None
    numbers = "Numbers: " + ", ".join(f"{i} {clean(name)}" for i, name in enumerate(variants, 1)) + "."
    return Tradeoffs(
        tuple(pictures),
        legend_of([place_name(one) or "answers" for one in places]) if len(places) > 1 else (),
        numbers,
        "AUC of the strongest attack that sees the file alone; bars hold for all attacks at once (95%).",
        tuple(notes),
    )


def _size(row: FileRow) -> float | None:
    count = row.artifact.size_bytes if row.artifact else None
    return float(count) if count is not None and 0 < count < LARGEST else None


def _accuracy(row: FileRow) -> float | None:
    found = _finite(row.artifact.accuracy_nonmembers if row.artifact else None)
    return found if found is not None and 0.0 <= found <= 1.0 else None


def _latency(row: FileRow) -> float | None:
    timed = row.artifact.latency if row.artifact else None
    value = _finite(timed.p50_ns) if timed else None
    # Clocks count whole nanoseconds; a smaller number is no latency.
    return value if value is not None and 1.0 <= value < LARGEST else None


# Latency is the last: some audits have none that may be compared.
_QUANTITIES = (
    _Quantity("size", "Size of the file", _size, bytes_text, (("MiB", 1024.0**2), ("KiB", 1024.0), ("bytes", 1.0))),
    _Quantity("accuracy", "Accuracy on non-members", _accuracy, "{:.1%}".format),
    _Quantity("latency", "Median latency", _latency, duration, (("s", 1e9), ("ms", 1e6), ("µs", 1e3), ("ns", 1.0))),
)


def _finite(estimate: Estimate | None) -> float | None:
    return estimate.value if estimate is not None and math.isfinite(estimate.value) else None


def _auc(row: FileRow) -> Estimate | None:
    found = row.alone.headline if row.alone else None
    return found if found is not None and found.resolvable and math.isfinite(found.value) else None


def _ends(estimate: Estimate) -> tuple[float, float]:
    low, high = (end if math.isfinite(end) else estimate.value for end in (estimate.low, estimate.high))
    return low, high


def _picture(
    quantity: _Quantity, files: Sequence[FileRow], variants: Sequence[str], places: Sequence[Place]
) -> Picture:
    points = [(row, quantity.value(row) or 0.0, auc) for row in files if (auc := _auc(row)) is not None]
    described = "; ".join(
        f"{row.name}{' on ' + row.where if row.where else ''}: {quantity.shown(x)}, AUC {interval(auc)}"
        for row, x, auc in points
    )
    least = min(x for _, x, _ in points)
    unit, scale = next((pair for pair in quantity.units if least >= pair[1]), ("", 1.0))
    points = [(row, x / scale, auc) for row, x, auc in points]
    title = f"Leakage against {quantity.name}"
    canvas = Canvas(f"against-{quantity.name}", width=WIDTH, height=HEIGHT, title=title, description=f"{described}.")
    xs = [x for _, x, _ in points]
    below = _x_axis(f"{quantity.title}{', ' + unit if unit else ''}", xs, share=not quantity.units)
    axes = Axes(canvas, FRAME, x=below, y=_y_axis([auc for _, _, auc in points]), size=SIZE)
    axes.line([axes.x.low, axes.x.high], [GUESSING, GUESSING], "soft", dashes="4 3")
    for row, x, auc in points:
        axes.line([x, x], _ends(auc), f"s{places.index(row.place) % len(MARKERS)}", width=1.3)
    for row, x, auc in points:
        series = places.index(row.place) % len(MARKERS)
        canvas.marker(axes.at(x, auc.value), MARKERS[series], f"s{series}")
    if len(points) <= MOST_NUMBERED:
        named = [(axes.at(x, auc.value), str(1 + variants.index(row.variants[0]))) for row, x, auc in points]
        _write_numbers(axes, named)
    return Picture(canvas.svg(), title, ())


def _write_numbers(axes: Axes, named: Sequence[tuple[tuple[float, float], str]]) -> None:
    """Write each variant's number beside its mark; once where marks of several places lie on one another."""
    kept: dict[str, list[tuple[float, float]]] = {}
    for spot, name in named:
        near = kept.setdefault(name, [])
        if all(math.dist(spot, other) > 2 * MARKER_POINTS for other in near):
            near.append(spot)
    spots = [(spot, name) for name, own in kept.items() for spot in own]
    obstacles = [Box.around(*spot, MARKER_POINTS) for spot, _ in named]
    boxes, _ = place(
        [spot for spot, _ in spots], [name for _, name in spots],
        font_points=LABEL_POINTS, obstacles=obstacles, bounds=axes.frame,
    )  # fmt: skip
    for (_, name), box in zip(spots, boxes, strict=True):
        x, y = box.centre
        axes.canvas.text((x, y + 0.35 * LABEL_POINTS), name, size=LABEL_POINTS, anchor="middle")


def _x_axis(title: str, xs: Sequence[float], *, share: bool) -> Axis:
    if share:
        span = max(max(xs) - min(xs), 0.02)
        low, high = max(min(xs) - 0.15 * span, 0.0), min(max(xs) + 0.15 * span, 1.02)
        return Axis(title, low, high, label=lambda value: f"{100 * value:g}%", most=5)
    if max(xs) / min(xs) >= LOG_FROM_RATIO:
        return Axis(f"{title} (log scale)", min(xs) / 1.5, max(xs) * 1.5, log=True, most=5)
    # From zero, so that twice as far right is twice as much.
    return Axis(title, 0, max(xs) * 1.15, most=5)


def _y_axis(aucs: Sequence[Estimate]) -> Axis:
    ends = [end for auc in aucs for end in (*_ends(auc), auc.value)]
    low, high = min(LEAST_SPAN[0], *ends), max(LEAST_SPAN[1], *ends)
    margin = 0.04 * (high - low)
    return Axis("AUC", low - margin, high + margin, most=6)
