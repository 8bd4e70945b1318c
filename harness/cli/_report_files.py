"""Options that say which files of a report are written."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from harness.errors import UsageError

__all__ = ["FormatOption", "PdfOption", "ScoresOption", "report_changes"]

# As `harness.config` has them, which takes long to load; a test compares them.
ReportFormat = Literal["json", "html", "junit", "sarif", "summary", "csv"]
FormatOption = Annotated[
    list[ReportFormat] | None,
    typer.Option(
        "--format", help="What is written beside report.json; repeat. Default: [report] formats, which is all of them."
    ),
]
ScoresOption = Annotated[
    bool,
    typer.Option("--scores", help="Write scores.parquet, too: every record's score, and who is a member."),
]
PdfOption = Annotated[
    bool, typer.Option("--pdf", help="Print the page as report.pdf, with the Chromium that is installed.")
]


def report_changes(formats: list[ReportFormat] | None, *, scores: bool, pdf: bool) -> dict[str, object]:
    """The keys of `[report]` that the options replace.

    Raises:
        UsageError: a PDF is asked for, and the page that it is printed of is not.
    """
    if pdf and formats and "html" not in formats:
        raise UsageError("--pdf: prints the page", hint="add --format html")
    changes: dict[str, object] = {"formats": tuple(formats)} if formats else {}
    return changes | ({"scores": True} if scores else {})
