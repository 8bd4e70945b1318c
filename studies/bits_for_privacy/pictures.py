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

    def place(name: str) -> tuple[float, float]:
        return evidence.accuracy(name).value, max(evidence.leaks[name].tpr[RATES[0]].value, RATES[0] / 10)

    stops = [v.name for v in evidence.variants if early(v.name)]
    ax.plot(*zip(*map(place, (*stops, FLOAT)), strict=True), color=GUIDE, marker="o", label="float, stopped early")
    others = [one for one in evidence.files if one.name != FLOAT]
    for color, bits in zip(COLORS * 2, dict.fromkeys(one.bits for one in others), strict=False):
        some = [one.name for one in others if one.bits == bits]
        ax.scatter(*zip(*map(place, some), strict=True), color=color, marker="s", zorder=3, label=f"{bits:.3g} bits")
        for name in some:
            ax.annotate(name, place(name), xytext=(4, 4), textcoords="offset points", fontsize=6)
    ax.axhline(RATES[0], color=GUIDE, linewidth=1, linestyle=(0, (4, 3)), label="nothing leaks")
    finish(ax, title, x="accuracy on records outside", y="TPR at 0.1% FPR, LiRA")
