"""Export: torch model -> artifact, one file a runtime; and what an exported file holds.

The face is :func:`export`, or :func:`export_many` where several number formats share one conversion.
"""

from harness.export._export import Target, export, export_many
from harness.export._support import RUNTIMES, SUFFIXES, supports
from harness.export.inspect import Sizes, WeightSummary, read_weights, sizes, weight_summary

__all__ = [
    "RUNTIMES",
    "SUFFIXES",
    "Sizes",
    "Target",
    "WeightSummary",
    "export",
    "export_many",
    "read_weights",
    "sizes",
    "supports",
    "weight_summary",
]
