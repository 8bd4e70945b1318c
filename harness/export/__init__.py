"""Export: torch model -> artifact, one file a runtime; and what an exported file holds.

The face is :func:`export`, or :func:`export_many` where several number formats share one conversion.
"""

from harness.export._export import Target, export, export_many
from harness.export._support import exporter, supports
from harness.export.inspect import Sizes, WeightSummary, read_weights, sizes, weight_summary

__all__ = [
    "Sizes",
    "Target",
    "WeightSummary",
    "export",
    "export_many",
    "exporter",
    "read_weights",
    "sizes",
    "supports",
    "weight_summary",
]
