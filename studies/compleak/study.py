"""The study from its arms to its page: what is missing is done, what is finished is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.config import AuditConfig
from studies.compleak.arms import arms, finish
from studies.compleak.findings import Findings, gather
from studies.compleak.page import page
from studies.compleak.pictures import pictures
from studies.compleak.settings import StudySettings
from studies.kit.pages import publish

__all__ = ["conduct"]

Progress = Callable[[str, int, int], None]


def conduct(
    config: AuditConfig, study: StudySettings, folder: Path, *, out: Path, source: str, progress: Progress
) -> tuple[Findings, tuple[Path, ...]]:
    """Do the study, or what is left of it, and write its page.

    Args:
        config: the audit.
        study: which audits are made of it.
        folder: where the arms' run folders and `study.json` go.
        out: the Markdown page; pictures are written beside it, named after it.
        source: the configuration as the page names it.
        progress: called with (label, done, total).

    Returns:
        The findings, and the files that were written.

    Raises:
        EdgeleakError: an arm could not be finished; what is finished is kept.
    """
    planned = arms(config, study, folder)
    for done, arm in enumerate(planned):
        progress("study", done, len(planned))
        finish(arm, progress)
    progress("study", len(planned), len(planned))
    findings = gather(config, planned)
    drawn = pictures(planned)
    text = page(findings, source=source, pictures=[picture.markdown(out) for picture in drawn])
    files = publish(out, text, findings=findings.to_json(), data=folder / "study.json", pictures=drawn)
    return findings, files
