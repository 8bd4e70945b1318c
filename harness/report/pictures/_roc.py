"""ROC curves on logarithmic axes, where the low false-positive rates that matter can be seen; at most four of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from harness.report._clean import clean
from harness.report._format import percent
from harness.report.pictures._axes import Axes, Axis
from harness.report.pictures._curve import Curve, Steps
from harness.report.pictures._labels import Box, place
from harness.report.pictures._svg import DASHES, SERIES, Canvas, LegendEntry, Picture
from harness.types import FloatArray

__all__ = ["MOST_CURVES", "draw"]

# More of them cover one another.
MOST_CURVES = 4
WIDTH, HEIGHT, SIZE = 520.0, 430.0, 13.0
FRAME = Box(62, 12, 496, 382)
BAND_OPACITY = 0.12
LINE_POINTS = 2.0
# With one non-member the smallest rate is 1, which is where the axis ends.
LAST_START = 0.5
DESCRIBED_RATE = 0.1
# Where along the axis a curve's name stands: there the curves lie apart, and their bands are not yet as wide as a word.
NAMED_AT = (0.3, 0.42, 0.54, 0.66)
NAME_LIMIT = 18
# The adversary at the end of a curve's key; what stands before it is where the files ran.
_ADVERSARY = re.compile(r"^(?P<place>.*?) ?(?P<name>NR original|NR|SR|MR)$")


def draw(curves: Mapping[str, Curve]) -> Picture | None:
    """At most four curves in one picture, or None where there are none; those that are left out are counted.

    Of more than four, those of one runtime are drawn: the one of the curve with the largest area. x runs from one
    false positive (the smallest ``1 / n_nonmembers``) to 1. A curve at TPR 0 lies on the lower edge.
    """
    if not curves:
        return None
    shown = _chosen(curves)
    drawn = [(_name(key, shown), clean(curve.label), curve.steps()) for key, curve in shown.items()]
    first = min(LAST_START, *(1 / curve.n_nonmembers for curve in shown.values()))
    floor = 0.7 * min(1 / max(curve.n_members, curve.n_nonmembers) for curve in shown.values())
    canvas = Canvas(
        "roc", width=WIDTH, height=HEIGHT, title="ROC curves on logarithmic axes", description=_described(drawn)
    )
    axes = Axes(
        canvas,
        FRAME,
        x=Axis("False-positive rate: non-members called members", first, 1, log=True, label=_percent),
        y=Axis("True-positive rate: members found", floor, 1.05, log=True, label=_percent),
        size=SIZE,
    )
    axes.line([first, 1], [first, 1], "soft", dashes="4 3")
    # Bands lie below all lines.
    for number, (_, _, steps) in enumerate(drawn):
        if steps.low is not None and steps.high is not None:
            x = _stairs(steps)
            axes.area(x, _heights(steps.low, floor), _heights(steps.high, floor), f"s{number}", opacity=BAND_OPACITY)
    for number, (_, _, steps) in enumerate(drawn):
        x = _stairs(steps)
        axes.line(x, _heights(steps.y, floor), f"s{number}", width=LINE_POINTS, dashes=DASHES[number])
    _write_names(axes, drawn, first, floor)
    legend = tuple(
        LegendEntry(f"{name}: {label}" if name not in label else label, number, dashes=DASHES[number])
        for number, (name, label, _) in enumerate(drawn)
    )
    has_bands = any(curve.low is not None for curve in shown.values())
    bands = "Bands: the interval of each point by itself (95%, exact), not of the whole curve." if has_bands else ""
    left = len(curves) - len(shown)
    note = f"{left} more {'curve is' if left == 1 else 'curves are'} not drawn." if left else ""
    return Picture(
        canvas.svg(),
        "What the attacks find at low false-alarm rates (ROC curves)",
        legend,
        " ".join(filter(None, ("Both axes are logarithmic; the dashed diagonal is guessing.", bands))),
        (note,) if note else (),
    )


def _chosen(curves: Mapping[str, Curve]) -> dict[str, Curve]:
    if len(curves) <= MOST_CURVES:
        return dict(curves)
    best = max(curves, key=lambda key: _area(curves[key]))
    where = _place(best)
    together = {key: curve for key, curve in curves.items() if _place(key) == where}
    strongest = sorted(together, key=lambda key: _area(together[key]), reverse=True)[:MOST_CURVES]
    return {key: curve for key, curve in together.items() if key in strongest}


def _place(key: str) -> str:
    found = _ADVERSARY.match(key)
    return found["place"] if found else ""


def _name(key: str, shown: Mapping[str, Curve]) -> str:
    """A few letters for beside the curve: the adversary where keys tell it, else the key."""
    found = _ADVERSARY.match(key)
    name = found["name"] if found and len({_place(other) for other in shown}) == 1 else key
    name = clean(name)
    return name if len(name) <= NAME_LIMIT else name[: NAME_LIMIT - 1] + "…"


def _area(curve: Curve) -> float:
    return float(np.trapezoid(curve.tpr, curve.fpr))


def _stairs(steps: Steps) -> FloatArray:
    """A step holds its height until the next rate, where it rises."""
    return np.repeat(steps.x, 2)[1:]


def _heights(values: FloatArray, floor: float) -> FloatArray:
    return np.maximum(np.repeat(values, 2)[:-1], floor)


def _write_names(axes: Axes, drawn: Sequence[tuple[str, str, Steps]], first: float, floor: float) -> None:
    """Write each curve's name beside it, apart from the others."""
    spots = []
    for number, (_, _, steps) in enumerate(drawn):
        x = first ** (1 - NAMED_AT[number])
        y = steps.y[max(0, int(np.searchsorted(steps.x, x, side="right")) - 1)]
        spots.append(axes.at(x, max(float(y), floor)))
    names = [name for name, _, _ in drawn]
    boxes, _ = place(spots, names, font_points=SIZE, obstacles=[], bounds=axes.frame)
    for number, (name, box) in enumerate(zip(names, boxes, strict=True)):
        x, y = box.centre
        axes.canvas.text((x, y + 0.35 * SIZE), name, size=SIZE, anchor="middle", color=f"s{number % len(SERIES)}")


def _percent(rate: float) -> str:
    return f"{100 * rate:g}%"


def _described(drawn: Sequence[tuple[str, str, Steps]]) -> str:
    """The curves in words: where each stands at the lowest rate that it resolves and, if that is lower, at 10 %."""
    sentences = []
    for _, label, steps in drawn:
        first = float(steps.x[0])
        rates = sorted({first, max(first, DESCRIBED_RATE)})
        at = [(rate, steps.y[np.searchsorted(steps.x, rate, side="right") - 1]) for rate in rates]
        words = " and ".join(f"{percent(tpr)} of members at {percent(rate)} false positives" for rate, tpr in at)
        sentences.append(f"{label}: {words}")
    return "The dashed diagonal is guessing. " + "; ".join(sentences) + "."
