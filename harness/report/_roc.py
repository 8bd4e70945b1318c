"""Picture 1: ROC curves on logarithmic axes, where the low false-positive rates that matter can be seen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from harness.report import _svg
from harness.report._curve import Curve
from harness.report._format import percent
from harness.report._read import clean

__all__ = ["draw"]

BAND_OPACITY = 0.15


def draw(curves: Mapping[str, Curve]) -> _svg.Picture | None:
    """All curves in one picture, or None where there are none.

    x runs from one false positive (the smallest ``1 / n_nonmembers``) to 1. A curve at TPR 0 lies on the lower edge.
    """
    if not curves:
        return None
    floor = 0.7 * min(1 / max(c.n_members, c.n_nonmembers) for c in curves.values())
    first = min(1 / c.n_nonmembers for c in curves.values())
    with _svg.drawing():
        figure, ax = _svg.axes(x_title="False-positive rate (log scale)", y_title="True-positive rate (log scale)")
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xlim(first, 1)
        ax.set_ylim(floor, 1.05)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(LogLocator(base=10))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
            axis.set_minor_formatter(NullFormatter())
        ax.plot([first, 1], [first, 1], color=_svg.INK, linewidth=1, linestyle=(0, (4, 3)))
        legend = []
        for place, curve in enumerate(curves.values()):
            steps = curve.steps()
            color = place % len(_svg.SERIES)
            # Curves of one colour differ in dashes.
            dashes = _svg.DASHES[place // len(_svg.SERIES) % len(_svg.DASHES)]
            style = _svg.SERIES[color]
            if steps.low is not None and steps.high is not None:
                low, high = np.maximum(steps.low, floor), np.maximum(steps.high, floor)
                ax.fill_between(steps.x, low, high, step="post", color=style, alpha=BAND_OPACITY, linewidth=0)
            line = (0, dashes) if dashes else "solid"
            ax.step(steps.x, np.maximum(steps.y, floor), where="post", color=style, linewidth=1.7, linestyle=line)
            legend.append(_svg.LegendEntry(clean(curve.label), color, dashes=" ".join(map(str, dashes))))
        svg = _svg.inline(figure, name="roc", title="ROC curves on logarithmic axes", description=_describe(curves))
    return _svg.Picture(svg, tuple(legend))


def _describe(curves: Mapping[str, Curve]) -> str:
    """The curves in words: where each stands at the lowest rate that it resolves and at 10 %."""
    told = []
    for curve in curves.values():
        steps = curve.steps()
        at = [(rate, steps.y[np.searchsorted(steps.x, rate, side="right") - 1]) for rate in (float(steps.x[0]), 0.1)]
        words = " and ".join(f"{percent(tpr)} of members at {percent(rate)} false positives" for rate, tpr in at)
        told.append(f"{clean(curve.label)}: {words}")
    return "The dashed diagonal is guessing. " + "; ".join(told) + "."
