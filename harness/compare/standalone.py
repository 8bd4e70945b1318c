"""Pictures as files of their own: light or dark as the viewer is, and nothing beside them needed."""

from __future__ import annotations

__all__ = ["standing_alone"]

LIGHT = {
    "ink": "#1b1f24",
    "soft": "#57606a",
    "grid": "#d0d7de",
    "limit": "#b3261e",
    "s0": "#0072b2",
    "s1": "#d55e00",
    "s2": "#009e73",
    "s3": "#a3457f",
    "s4": "#b07800",
    "s5": "#2d86b5",
}
DARK = {
    "ink": "#e6edf3",
    "soft": "#9da7b3",
    "grid": "#3d444d",
    "limit": "#ff8a80",
    "s0": "#58a6ff",
    "s1": "#ff8c4d",
    "s2": "#2fc99b",
    "s3": "#e79bc4",
    "s4": "#f2b63c",
    "s5": "#7cc4ec",
}
PAPER = {"light": "#fffffe", "dark": "#0d1117"}


def standing_alone(svg: str) -> str:
    """The same picture with its namespace and its colours, as the text of a file.

    Args:
        svg: an ``<svg>`` element of :class:`harness.report.pictures.Canvas`, whose elements have classes for
            their colours.
    """
    style = _rules(LIGHT, PAPER["light"]) + f"@media(prefers-color-scheme:dark){{{_rules(DARK, PAPER['dark'])}}}"
    head, rest = svg.split(">", 1)
    return f'{head} xmlns="http://www.w3.org/2000/svg"><style>{style}</style>{rest}\n'


def _rules(colors: dict[str, str], paper: str) -> str:
    rules = "".join(f".{name}{{color:{color}}}" for name, color in colors.items())
    return f"svg{{background:{paper}}}{rules}.hollow{{fill:{paper}}}"
