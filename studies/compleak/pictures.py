"""ROC curves on logarithmic axes, averaged over the seeds: the adversaries side by side, and the mistaken protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from harness import stats
from harness.compare.comparisons import is_joint
from harness.compare.pairing import PairedRuns
from harness.subject import ORIGINAL
from harness.types import Adversary, FloatArray, View
from studies.compleak.arms import Arm, honest, mistaken
from studies.compleak.page import seen
from studies.kit.pages import Picture
from studies.kit.pictures import COLORS, axes, finish, guide, svg

__all__ = ["pictures"]

# Lines differ in dashes, not in colour alone.
DASHES = ("-", "--", "-.", ":")
STEPS = 200
BAND_OPACITY = 0.12
ADVERSARIES: tuple[Adversary, ...] = ("NR", "SR", "MR")

# Legend text -> whose scores, and which.
Curves = Mapping[str, tuple[PairedRuns, View]]


def pictures(arms: Sequence[Arm]) -> list[Picture]:
    """The pictures of each runtime."""
    runs = honest([arm for arm in arms if not arm.config.null])
    return [picture for runtime in arms[0].config.export.runtimes for picture in _of_runtime(arms, runs, runtime)]


def _of_runtime(arms: Sequence[Arm], runs: PairedRuns, runtime: str) -> Iterator[Picture]:
    title = f"ROC curves on {runtime}, mean and range of {len(runs.runs)} seeds"
    several = {f"{v.adversary} {v.attack}, {seen(v.variants)}": (runs, v) for v in _strongest(runs, runtime)}
    yield Picture(f"roc-{runtime}", title, _roc(several, title))
    first = next((arm for arm in arms if arm.confounded and not arm.config.null), None)
    if first is None:
        return
    # SR, which both protocols saw with the same variants.
    view = next(v for v in _strongest(mistaken(first), runtime) if v.adversary == "SR")
    curves = {"one transform": (honest([first]), view), "members augmented": (mistaken(first), view)}
    twin = next((a for a in arms if a.confounded and a.config.null and a.config.seed == first.config.seed), None)
    if twin is not None:
        curves["null twin, one transform"] = (honest([twin]), view)
        curves["null twin, members augmented"] = (mistaken(twin), view)
    title = f"{view.attack} on {seen(view.variants)}, {runtime}: what the transform alone produces"
    yield Picture(f"mistake-{runtime}", title, _roc(curves, title))


def _strongest(runs: PairedRuns, runtime: str) -> Iterator[View]:
    """Of each adversary the attack that did best on the shadows, and the likelihoods on several variants."""
    views = [view for view in runs.views if view.runtime == runtime and not runs.is_control(view)]
    for adversary in ADVERSARIES:
        those = [v for v in views if v.adversary == adversary and (adversary != "NR" or v.variants == (ORIGINAL,))]
        yield from (view for view in those if is_joint(view) and ORIGINAL in view.variants)
        others = [view for view in those if not is_joint(view)]
        if others:
            yield runs.best(others)


def _roc(curves: Curves, title: str) -> str:
    """The mean curve of each view over the runs with the range of the runs as a band.

    Steps are averaged at equal false-positive rates, from one false positive to all; nothing is interpolated.
    """

    def draw(figure: Figure) -> None:
        ax = axes(figure, scale="log")
        first = 1.0
        for place, (text, (runs, view)) in enumerate(curves.items()):
            x, rates = _rates(runs, view)
            first = min(first, float(x[0]))
            color, dashes = COLORS[place % len(COLORS)], DASHES[place % len(DASHES)]
            floor = float(x[0]) / 2
            low, high, mean = (np.maximum(f(rates, axis=0), floor) for f in (np.min, np.max, np.mean))
            ax.fill_between(x, low, high, step="post", color=color, alpha=BAND_OPACITY, linewidth=0)
            ax.step(x, mean, where="post", color=color, linestyle=dashes, linewidth=1.6, label=text)
        guide(ax, first, 1.0, "guessing")
        ax.set_xlim(first, 1)
        ax.set_ylim(first, 1.05)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}%"))
        finish(ax, title, x="False-positive rate", y="True-positive rate", legend="lower right")

    return svg(draw)


def _rates(runs: PairedRuns, view: View) -> tuple[FloatArray, FloatArray]:
    """False-positive rates ``[k]``, and each run's true-positive rate there ``[runs, k]``."""
    x = np.geomspace(1.0 / max(int((m == 0).sum()) for m in runs.memberships), 1.0, STEPS)
    curves = (stats.roc(s, m) for s, m in zip(runs.scores(view), runs.memberships, strict=True))
    return x, np.stack([_tpr_at(curve, x) for curve in curves])


def _tpr_at(curve: stats.Roc, x: FloatArray) -> FloatArray:
    at = np.searchsorted(curve.fp, np.floor(x * curve.n_nonmembers + 1e-9), side="right") - 1
    return np.asarray(curve.tp[at] / curve.n_members, dtype=np.float64)
