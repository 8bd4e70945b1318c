"""Picture 1: ROC curves on logarithmic axes, where the low false-positive rates that matter can be seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from harness.report._clean import clean
from harness.report._format import percent
from harness.report.pictures import _svg
from harness.report.pictures._axes import Axes, Axis
from harness.report.pictures._curve import Curve, Steps
from harness.types import FloatArray

__all__ = ["draw"]

BAND_OPACITY = 0.15
LINE_POINTS = 1.7
# With one non-member the smallest rate is 1, which is where the axis ends.
LAST_START = 0.5
DESCRIBED_RATE = 0.1


def draw(curves: Mapping[str, Curve]) -> _svg.Picture | None:
    """All curves in one picture, or None where there are none.

    x runs from one false positive (the smallest ``1 / n_nonmembers``) to 1. A curve at TPR 0 lies on the lower edge.
    """
    if not curves:
        return None
    drawn = [(clean(curve.label), curve.steps()) for curve in curves.values()]
    first = min(LAST_START, *(1 / curve.n_nonmembers for curve in curves.values()))
    floor = 0.7 * min(1 / max(curve.n_members, curve.n_nonmembers) for curve in curves.values())
    axes = Axes(
        "roc",
        x=Axis("False-positive rate (log scale)", first, 1, log=True, label=_percent),
        y=Axis("True-positive rate (log scale)", floor, 1.05, log=True, label=_percent),
        title="ROC curves on logarithmic axes",
        description=_describe(drawn),
    )
    axes.line([first, 1], [first, 1], _svg.INK, dashes="4 3")
    legend = []
    for number, (label, steps) in enumerate(drawn):
        color = number % len(_svg.SERIES)
        # Curves of one colour differ in dashes.
        dashes = _svg.DASHES[number // len(_svg.SERIES) % len(_svg.DASHES)]
        _draw_curve(axes, steps, floor, _svg.SERIES[color], dashes)
        legend.append(_svg.LegendEntry(label, color, dashes=dashes))
    return _svg.Picture(axes.svg(), tuple(legend))


def _draw_curve(axes: Axes, steps: Steps, floor: float, color: str, dashes: str) -> None:
    # A step holds its height until the next rate, where it rises.
    x = np.repeat(steps.x, 2)[1:]

    def heights(values: FloatArray) -> FloatArray:
        return np.maximum(np.repeat(values, 2)[:-1], floor)

    if steps.low is not None and steps.high is not None:
        axes.area(x, heights(steps.low), heights(steps.high), color, opacity=BAND_OPACITY)
    axes.line(x, heights(steps.y), color, width=LINE_POINTS, dashes=dashes)


def _percent(rate: float) -> str:
    return f"{100 * rate:g}%"


def _describe(drawn: Iterable[tuple[str, Steps]]) -> str:
    """The curves in words: where each stands at the lowest rate that it resolves and, if that is lower, at 10 %."""
    sentences = []
    for label, steps in drawn:
        first = float(steps.x[0])
        rates = sorted({first, max(first, DESCRIBED_RATE)})
        at = [(rate, steps.y[np.searchsorted(steps.x, rate, side="right") - 1]) for rate in rates]
        words = " and ".join(f"{percent(tpr)} of members at {percent(rate)} false positives" for rate, tpr in at)
        sentences.append(f"{label}: {words}")
    return "The dashed diagonal is guessing. " + "; ".join(sentences) + "."
