"""Options that say which files of a report are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from harness.errors import UsageError

__all__ = ["FormatOption", "PdfOption", "RecordsByIdOption", "ScoresOption", "report_changes"]

FormatOption = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        help="What is written beside report.json: html, junit, sarif, summary or csv; repeat. Default: [report] "
        "formats, which is all of them.",
        metavar="FORMAT",
    ),
]
ScoresOption = Annotated[
    bool,
    typer.Option("--scores", help="Write scores.parquet, too: every record's score, and who is a member."),
]
RecordsByIdOption = Annotated[
    bool,
    typer.Option("--records", help="Show the most exposed records by their ids, in the page and in report.json."),
]
PdfOption = Annotated[
    bool, typer.Option("--pdf", help="Print the page as report.pdf, with the Chromium that is installed.")
]


def report_changes(formats: Sequence[str] | None, *, scores: bool, records: bool, pdf: bool) -> dict[str, object]:
    """The keys of `[report]` that the options replace.

    Raises:
        UsageError: a format is not known, or a PDF is asked for, and the page that it is printed of is not.
    """
    from harness.config import REPORT_FORMATS

    for name in formats or ():
        if name not in REPORT_FORMATS:
            raise UsageError(f"--format {name}: no such format", hint=f"use one of {', '.join(REPORT_FORMATS)}")
    if pdf and formats and "html" not in formats:
        raise UsageError("--pdf: prints the page", hint="add --format html")
    changes: dict[str, object] = {"formats": tuple(formats)} if formats else {}
    return changes | {key: True for key, wanted in (("scores", scores), ("records", records)) if wanted}
