"""The report: typed results in; ``report.json``, a self-contained ``report.html`` and a terminal summary out.

Whatever strings a device sent are cleaned before they are shown, and escaped in the page.
"""

from harness.report.headline import Headline, headline
from harness.report.model import ArtifactRow, Report, by_auc
from harness.report.pictures import Curve
from harness.report.writers import write
from harness.report.writers.terminal import summary
from harness.report.writers.terminal_details import details, findings
from harness.report.writers.terminal_gate import verdict

__all__ = [
    "ArtifactRow",
    "Curve",
    "Headline",
    "Report",
    "by_auc",
    "details",
    "findings",
    "headline",
    "summary",
    "verdict",
    "write",
]
