"""What is written of an audit's results, and in which formats."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, model_validator

from harness.config._section import Section

__all__ = ["REPORT_FORMATS", "Format", "ReportConfig"]

# As `harness.report` names its writers; a test compares them.
Format = Literal["json", "html", "junit", "sarif", "summary", "csv"]
REPORT_FORMATS: tuple[Format, ...] = get_args(Format)


class ReportConfig(Section):
    """The files of a report; none of them changes what was found.

    `formats` are written into the run's folder; `json` always is, for every other verb reads it. `scores` adds
    scores.parquet, one row a record and view, which tells who is a member, and `records` shows the most exposed
    records by their ids, in the page and in report.json: both are off unless they are asked for.
    """

    formats: Annotated[tuple[Format, ...], Field(min_length=1)] = REPORT_FORMATS
    scores: bool = False
    records: bool = False

    @model_validator(mode="after")
    def _has_json(self) -> Self:
        wanted = {"json", *self.formats}
        # The model is frozen once it is built; until then the one that is needed is added, in the order of writing.
        object.__setattr__(self, "formats", tuple(name for name in REPORT_FORMATS if name in wanted))
        return self

    def changed(self, **changes: Any) -> ReportConfig:
        """The section with some keys replaced, checked as it was in the file."""
        return ReportConfig(**{**self.model_dump(), **changes})
