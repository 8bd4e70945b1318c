"""The report's two pictures as SVG: ROC curves, and leakage against latency."""

from harness.report.pictures._curve import Curve
from harness.report.pictures._leakage import draw as leakage
from harness.report.pictures._roc import draw as roc
from harness.report.pictures._svg import Picture

__all__ = ["Curve", "Picture", "leakage", "roc"]
