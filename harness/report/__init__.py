"""The report: one object in, ``report.json``, a self-contained ``report.html`` and a terminal summary out.

Whatever strings a device sent are cleaned before they are shown and escaped in the page.
"""

from harness.report._curve import Curve
from harness.report._summary import findings, summary
from harness.report._write import write

__all__ = ["Curve", "findings", "summary", "write"]
