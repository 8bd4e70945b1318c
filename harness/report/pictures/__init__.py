"""The report's pictures as SVG: a scale, a dot plot, ROC curves, and leakage against what compression is for."""

from harness.report.pictures._axes import Axes, Axis
from harness.report.pictures._curve import Curve
from harness.report.pictures._dots import draw as dots
from harness.report.pictures._labels import Box
from harness.report.pictures._roc import draw as roc
from harness.report.pictures._scale import draw as scale
from harness.report.pictures._svg import MARKERS, SERIES, Canvas, LegendEntry, Picture
from harness.report.pictures._tradeoffs import Tradeoffs
from harness.report.pictures._tradeoffs import draw as tradeoffs

__all__ = [
    "MARKERS",
    "SERIES",
    "Axes",
    "Axis",
    "Box",
    "Canvas",
    "Curve",
    "LegendEntry",
    "Picture",
    "Tradeoffs",
    "dots",
    "roc",
    "scale",
    "tradeoffs",
]
