"""Writes a report's files, the machine's first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from harness.report._curve import Curve
from harness.report._files import plain, write_text

__all__ = ["write"]

JSON_NAME = "report.json"
HTML_NAME = "report.html"


def write(report: Mapping[str, object], *, curves: Mapping[str, Curve], folder: Path) -> tuple[Path, ...]:
    """Write ``report.json``, then ``report.html``, and return their paths in that order.

    Each file appears whole or not at all, and the same report and curves give the same bytes. Any part of the report
    may be absent or null; the page then says ``n/a``.

    Args:
        report: one audit's report, schema ``edgeleak.report/1``.
        curves: ROC curves of picture 1, in the order in which the legend names them.
        folder: where the files go; made where it is missing.

    Raises:
        InputError: the report holds something that JSON cannot.
        StorageError: the disk is full or the folder cannot be written.
    """
    # Matplotlib takes long to import, and the command line loads this room even to say its version.
    from harness.report._page import render

    content = cast(Mapping[str, object], plain(report))
    # ASCII only: what a device sent cannot move the cursor of a terminal that shows the file.
    write_text(folder / JSON_NAME, json.dumps(content, indent=1, ensure_ascii=True, allow_nan=False) + "\n")
    write_text(folder / HTML_NAME, render(content, curves))
    return folder / JSON_NAME, folder / HTML_NAME
