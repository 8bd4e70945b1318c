"""Files of a report, one module a format; :data:`FORMATS` is the table of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from harness import files
from harness.report.model import Report
from harness.report.pictures import Curve
from harness.report.writers import html, json

__all__ = ["FORMATS", "write"]

Render = Callable[[Report, Mapping[str, Curve]], str]

# File name -> what renders it, in the order of writing; the file for programs comes first.
FORMATS: Mapping[str, Render] = {
    "report.json": json.render,
    "report.html": html.render,
}


def write(report: Report, *, curves: Mapping[str, Curve], folder: Path) -> tuple[Path, ...]:
    """Write every format of :data:`FORMATS` and return the paths in that order.

    Each file appears whole or not at all, readable by its owner only, and the same report and curves give the same
    bytes.

    Args:
        report: what one audit found; the page says ``n/a`` where a part is missing.
        curves: ROC curves of picture 1, in the order in which the legend names them.
        folder: where the files go; created where it is missing.

    Raises:
        InputError: the report holds something that JSON cannot; nothing is written.
        StorageError: the disk is full or the folder cannot be written.
    """
    contents = {folder / name: render(report, curves) for name, render in FORMATS.items()}
    for path, content in contents.items():
        files.write(path, content.encode(), parents=True)
    return tuple(contents)
