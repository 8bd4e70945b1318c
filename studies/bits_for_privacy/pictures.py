"""Accuracy against leakage: files of few bits, and float networks that were stopped early."""

from __future__ import annotations

from matplotlib.figure import Figure

from studies.bits_for_privacy.figures import RATES
from studies.bits_for_privacy.findings import Findings
from studies.bits_for_privacy.variants import FLOAT, early
from studies.kit.pages import Picture
from studies.kit.pictures import COLORS, GUIDE, axes, finish, svg

__all__ = ["picture"]


def picture(findings: Findings) -> Picture:
    """TPR at 0.1% FPR of every variant over its accuracy."""
    title = f"{findings.setting.title}: what leaks at which accuracy"
    return Picture(findings.setting.name, title, svg(lambda figure: _draw(figure, findings, title), width=7.2))


def _draw(figure: Figure, findings: Findings, title: str) -> None:
    evidence = findings.evidence
    ax = axes(figure)
    ax.set_yscale("log")
    ax.set_ylim(RATES[0] / 2, 1.0)
    # What this n cannot resolve has no place.
    places = {
        one.name: (evidence.accuracy(one.name).value, max(rate.value, RATES[0] / 2))
        for one in evidence.variants
        if (rate := evidence.leaks[one.name].tpr[RATES[0]]).resolvable
    }
    floats = [places[one.name] for one in evidence.variants if one.name in places and early(one.name)]
    floats += [places[FLOAT]] if FLOAT in places else []
    ax.plot([x for x, _ in floats], [y for _, y in floats], color=GUIDE, marker="o", label="float, stopped early")
    others = [one for one in evidence.files if one.name in places and one.name != FLOAT]
    for color, bits in zip(COLORS, dict.fromkeys(one.bits for one in others), strict=False):
        some = {one.name: places[one.name] for one in others if one.bits == bits}
        xs, ys = zip(*some.values(), strict=True)
        ax.scatter(xs, ys, color=color, marker="s", zorder=3, label=f"{bits:.3g} bit" + "s" * (bits > 1))
        for name, place in some.items():
            ax.annotate(name, place, xytext=(-6, -2), textcoords="offset points", fontsize=6, ha="right")
    ax.axhline(RATES[0], color=GUIDE, linewidth=1, linestyle=(0, (4, 3)), label="where nothing leaks")
    finish(ax, title, x="accuracy on records outside", y="TPR at 0.1% FPR, LiRA")
