"""ROC curves on logarithmic axes as an SVG file, averaged over the seeds, for a page that can only show files."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from harness import stats
from harness.types import FloatArray
from studies.compleak._evidence import Evidence, View
from studies.drawing import COLORS, svg

__all__ = ["roc_picture"]

# Lines differ in dashes, not in colour alone.
DASHES = ("-", "--", "-.", ":")
STEPS = 200
BAND_OPACITY = 0.12


def roc_picture(evidence: Mapping[str, tuple[Evidence, View]], *, title: str) -> str:
    """The mean curve of each view over the arms with the range of the arms as a band; SVG text.

    Steps are averaged at equal false-positive rates, from one false positive to all; nothing is interpolated.

    Args:
        evidence: legend text -> where the scores are, and which.
        title: written above the axes.
    """

    def draw(figure: Figure) -> None:
        ax = figure.add_axes((0.12, 0.12, 0.83, 0.8))
        ax.set_xscale("log")
        ax.set_yscale("log")
        first = 1.0
        for place, (text, (found, view)) in enumerate(evidence.items()):
            x, curves = _curves(found, view)
            first = min(first, float(x[0]))
            color, dashes = COLORS[place % len(COLORS)], DASHES[place % len(DASHES)]
            floor = float(x[0]) / 2
            low, high, mean = (np.maximum(f(curves, axis=0), floor) for f in (np.min, np.max, np.mean))
            ax.fill_between(x, low, high, step="post", color=color, alpha=BAND_OPACITY, linewidth=0)
            ax.step(x, mean, where="post", color=color, linestyle=dashes, linewidth=1.6, label=text)
        ax.plot([first, 1], [first, 1], color="#57606a", linewidth=1, linestyle=(0, (4, 3)), label="guessing")
        ax.set_xlim(first, 1)
        ax.set_ylim(first, 1.05)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}%"))
        ax.set_xlabel("False-positive rate")
        ax.set_ylabel("True-positive rate")
        ax.set_title(title, fontsize=11)
        ax.grid(visible=True, which="major", color="#d0d7de", linewidth=0.6)
        ax.legend(loc="lower right", fontsize=8, frameon=True)

    return svg(draw)


def _curves(evidence: Evidence, view: View) -> tuple[FloatArray, FloatArray]:
    """False-positive rates ``[k]``, and each arm's TPR there ``[arms, k]``."""
    pairs = list(zip(evidence.scores(view), evidence.memberships, strict=True))
    x = np.geomspace(1.0 / max(int((m == 0).sum()) for _, m in pairs), 1.0, STEPS)
    return x, np.stack([_tpr_at(stats.roc(s, m), x) for s, m in pairs])


def _tpr_at(curve: stats.Roc, x: FloatArray) -> FloatArray:
    at = np.searchsorted(curve.fp, np.floor(x * curve.n_nonmembers + 1e-9), side="right") - 1
    return np.asarray(curve.tp[at] / curve.n_members, dtype=np.float64)
