"""A dot plot: a row for each variant with the strongest attacks on it, beside guessing, the original and the limit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.report._clean import clean
from harness.report._files import FileRow, Place, place_name
from harness.report._format import interval
from harness.report.model import ORIGINAL
from harness.report.pictures._axes import CAPITAL, Axis
from harness.report.pictures._svg import MARKERS, Canvas, LegendEntry, Picture, Point
from harness.results import Result
from harness.types import Estimate

__all__ = ["draw"]

WIDTH, SIZE = 640.0, 13.0
LEFT, RIGHT, TOP, BOTTOM = 158.0, 628.0, 44.0, 40.0
# Height of one mark with its interval, and of the space between two rows.
MARK_HEIGHT, GAP = 12.0, 9.0
GUESSING = 0.5
# The least span of AUC that the picture shows: noise must not be magnified into a landscape.
LEAST_SPAN = (0.45, 0.65)
# More places than this in one row would be marks without a name.
MOST_PLACES = 3
# More rows than this are no picture.
MOST_ROWS = 40
NAME_LIMIT = 21
LETTER = 0.56


@dataclass(frozen=True)
class _Mark:
    estimate: Estimate
    place: int
    hollow: bool


@dataclass(frozen=True)
class _Row:
    name: str
    marks: tuple[_Mark, ...]
    highest: float


def draw(files: Sequence[FileRow], together: Sequence[FileRow], limit: float | None) -> Picture | None:
    """The picture, or None where no file has an AUC.

    Args:
        files: a row each; controls are left out.
        together: the strongest attacks on several files.
        limit: the AUC that the policy allows; None where it limits none.
    """
    shipped = [row for row in files if not row.is_control]
    places = list(dict.fromkeys(row.place for row in (*shipped, *together)))
    merged = len(places) > MOST_PLACES
    rows = _rows(shipped, together, places, merged=merged)
    if not any(row.marks for row in rows):
        return None
    left_out = len(rows) - MOST_ROWS
    if left_out > 0:
        names = {row.name for row in sorted(rows, key=lambda row: -row.highest)[:MOST_ROWS]}
        rows = [row for row in rows if row.name in names]
    originals = _originals(shipped, places)
    if merged and originals:
        originals = {0: max(originals.values())}
    canvas, axis = _paper(rows, originals, limit, shipped)
    _draw_rows(canvas, axis, rows, merged=merged)
    notes = [f"Each row has the strongest of {len(places)} runtimes and devices."] if merged else []
    notes += [f"{left_out} more rows with smaller AUCs are not drawn."] if left_out > 0 else []
    return Picture(
        canvas.svg(),
        "How well the strongest attack does on each variant",
        _legend(places, rows, merged=merged),
        "Bars: intervals that hold for all attacks at once (95%).",
        tuple(notes),
    )


def _rows(
    files: Sequence[FileRow], together: Sequence[FileRow], places: Sequence[Place], *, merged: bool
) -> list[_Row]:
    rows = []
    for variant in dict.fromkeys(row.variants for row in files):
        own = [row for row in files if row.variants == variant]
        rows.append(_row(clean(variant[0]), own, places, merged=merged))
    if together:
        rows.append(_row("several together", together, places, merged=merged))
    return rows


def _row(name: str, files: Sequence[FileRow], places: Sequence[Place], *, merged: bool) -> _Row:
    """A row's marks: of each place, or of the place where the attack does best."""
    marks = []
    for hollow in (False, True):
        found = [
            _Mark(result.headline, places.index(row.place), hollow)
            for row in files
            if (result := row.paired if hollow else row.alone) is not None and _is_drawable(result)
        ]
        if merged and found:
            found = [replace(max(found, key=lambda mark: mark.estimate.value), place=0)]
        marks += found
    ordered = tuple(sorted(marks, key=lambda mark: (mark.place, mark.hollow)))
    return _Row(name, ordered, max((mark.estimate.value for mark in marks), default=-math.inf))


def _is_drawable(result: Result) -> bool:
    return result.headline.resolvable and math.isfinite(result.headline.value)


def _originals(files: Sequence[FileRow], places: Sequence[Place]) -> dict[int, float]:
    """Place -> AUC of the strongest attack on the original there."""
    return {
        places.index(row.place): row.alone.headline.value
        for row in files
        if row.variants == (ORIGINAL,) and row.alone is not None and _is_drawable(row.alone)
    }


def _paper(
    rows: Sequence[_Row], originals: dict[int, float], limit: float | None, files: Sequence[FileRow]
) -> tuple[Canvas, Axis]:
    """The canvas with its axis, its grid and the three kinds of lines."""
    ends = [end for row in rows for mark in row.marks for end in (*_ends(mark.estimate), mark.estimate.value)]
    lines = [*originals.values(), *([] if limit is None else [limit])]
    low, high = min(LEAST_SPAN[0], *ends), max(LEAST_SPAN[1], *ends, *lines)
    margin = 0.03 * (high - low)
    axis = Axis("AUC (0.5 is guessing, 1 is certainty)", low - margin, min(high + margin, 1.005))
    bottom = TOP + sum(map(_height, rows))
    canvas = Canvas(
        "dots", width=WIDTH, height=bottom + BOTTOM,
        title="Strongest attack on each variant", description=_described(files, limit),
    )  # fmt: skip
    ticks = [(value, _x(axis, value)) for value in axis.ticks()]
    canvas.lines([((x, TOP), (x, bottom)) for _, x in ticks], "grid", width=0.7)
    for (_, x), label in zip(ticks, axis.labels(), strict=True):
        canvas.text((x, bottom + 4 + SIZE), label, size=SIZE - 1, anchor="middle", color="soft")
    canvas.text(((LEFT + RIGHT) / 2, bottom + BOTTOM - 4), axis.title, size=SIZE, anchor="middle")
    marked = [(GUESSING, "guessing", "soft", "4 3")]
    if originals:
        named = max(originals.values())
        marked += [
            (value, "original" if value == named else "", "ink", "") for value in dict.fromkeys(originals.values())
        ]
    if limit is not None:
        marked.append((limit, f"limit {limit:g}", "limit", ""))
    ends_at = [-math.inf, -math.inf]
    for value, text, color, dashes in sorted(marked):
        x = _x(axis, value)
        canvas.line([(x, TOP - 6), (x, bottom)], color, width=1.8 if color == "limit" else 1.1, dashes=dashes)
        if text:
            half = LETTER * SIZE * len(text) / 2
            centre = min(max(x, LEFT + half - 40), RIGHT - half + 10)
            line = 0 if centre - half > ends_at[0] + 4 else 1
            ends_at[line] = centre + half
            canvas.text((centre, TOP - 11 - line * (SIZE + 2)), text, size=SIZE - 1, anchor="middle", color=color)
    return canvas, axis


def _draw_rows(canvas: Canvas, axis: Axis, rows: Sequence[_Row], *, merged: bool) -> None:
    top = TOP
    for number, row in enumerate(rows):
        height = _height(row)
        if number:
            canvas.line([(8, top), (RIGHT, top)], "grid", width=0.7)
        canvas.text((LEFT - 10, top + height / 2 + CAPITAL * SIZE), _short(row.name), size=SIZE, anchor="end")
        if not row.marks:
            canvas.text((LEFT + 8, top + height / 2 + CAPITAL * SIZE), "not resolved", size=SIZE - 1, color="soft")
        for line, mark in enumerate(row.marks):
            y = top + GAP / 2 + MARK_HEIGHT * (line + 0.5)
            low, high = (_x(axis, end) for end in _ends(mark.estimate))
            color = f"s{mark.place % 6}"
            canvas.line([(low, y), (high, y)], color, width=1.6)
            at: Point = (_x(axis, mark.estimate.value), y)
            canvas.marker(at, MARKERS[0 if merged else mark.place % len(MARKERS)], color, hollow=mark.hollow)
        top += height


def _height(row: _Row) -> float:
    return max(len(row.marks), 1.6) * MARK_HEIGHT + GAP


def _x(axis: Axis, value: float) -> float:
    return LEFT + (RIGHT - LEFT) * float(axis.shares([value])[0])


def _ends(estimate: Estimate) -> tuple[float, float]:
    """The ends of the interval; the value itself where there is none."""
    low, high = (end if math.isfinite(end) else estimate.value for end in (estimate.low, estimate.high))
    return low, high


def _short(name: str) -> str:
    return name if len(name) <= NAME_LIMIT else name[: NAME_LIMIT - 1] + "…"


def _legend(places: Sequence[Place], rows: Sequence[_Row], *, merged: bool) -> tuple[LegendEntry, ...]:
    entries = []
    if not merged and len(places) > 1:
        entries = [
            LegendEntry(place_name(place) or "answers", number, marker=MARKERS[number])
            for number, place in enumerate(places)
        ]
    hollow = any(mark.hollow for row in rows for mark in row.marks)
    color = 0 if merged or len(places) == 1 else None
    if hollow:
        entries.append(LegendEntry("filled: sees the file alone", color, marker=MARKERS[0]))
        entries.append(LegendEntry("hollow: sees the original too", color, marker=MARKERS[0], hollow=True))
    return tuple(entries)


def _described(files: Sequence[FileRow], limit: float | None) -> str:
    parts = [
        f"{row.name}{' on ' + row.where if row.where else ''}: {interval(row.alone.headline)}"
        + (f", with the original {interval(row.paired.headline)}" if row.paired else "")
        for row in files
        if row.alone is not None
    ][:MOST_ROWS]
    allowed = "" if limit is None else f" The limit is {limit:g}."
    return f"AUC of the strongest attack on each file. {'; '.join(parts)}.{allowed}"
