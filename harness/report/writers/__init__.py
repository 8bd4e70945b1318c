"""Files of a report, one module a format; :data:`FORMATS` is the table of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness import files
from harness.errors import StorageError
from harness.report.model import Report
from harness.report.pictures import Curve
from harness.report.writers import csv, html, json, junit, sarif, summary

__all__ = ["FORMATS", "Format", "write"]

Render = Callable[[Report, Mapping[str, Curve]], str]


@dataclass(frozen=True)
class Format:
    """One file of a report.

    Args:
        file: its name in the run's folder.
        render: makes its text.
    """

    file: str
    render: Render


# In the order of writing; the file for programs comes first.
FORMATS: Mapping[str, Format] = {
    "json": Format("report.json", json.render),
    "html": Format("report.html", html.render),
    "junit": Format("junit.xml", junit.render),
    "sarif": Format("gate.sarif", sarif.render),
    "summary": Format("summary.md", summary.render),
    "csv": Format("results.csv", csv.render),
}


def write(
    report: Report, *, curves: Mapping[str, Curve], folder: Path, formats: Iterable[str] = tuple(FORMATS)
) -> tuple[Path, ...]:
    """Write a report in some formats and return the paths, in the order of :data:`FORMATS`.

    Each file appears whole or not at all, readable by its owner only, and the same report and curves give the same
    bytes. A file of a format that is not wanted is removed: it would tell an earlier verdict.

    Args:
        report: what one audit found; the page says ``n/a`` where a part is missing.
        curves: ROC curves of picture 1, in the order in which the legend names them.
        folder: where the files go; created where it is missing.
        formats: keys of :data:`FORMATS`.

    Raises:
        InputError: the report holds something that JSON cannot; nothing is written.
        StorageError: the disk is full or the folder cannot be written.
    """
    wanted = set(formats)
    contents = {one.file: one.render(report, curves) for name, one in FORMATS.items() if name in wanted}
    for name, one in FORMATS.items():
        if name not in wanted:
            _remove(folder / one.file)
    for name, content in contents.items():
        files.write(folder / name, content.encode(), parents=True)
    return tuple(folder / name for name in contents)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: cannot be removed, and tells an earlier verdict: {error.strerror}") from error
