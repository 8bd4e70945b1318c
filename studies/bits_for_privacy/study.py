"""Trains, exports and asks the networks of the settings, attacks every variant, and writes the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import threadpoolctl  # type: ignore[import-untyped]

from studies.bits_for_privacy import networks
from studies.bits_for_privacy.evidence import Progress, gather
from studies.bits_for_privacy.findings import Findings
from studies.bits_for_privacy.page import page
from studies.bits_for_privacy.pictures import picture
from studies.bits_for_privacy.settings import Setting
from studies.kit.pages import publish

__all__ = ["conduct"]

SCHEMA = "edgeleak.bits-for-privacy/1"


def conduct(
    places: Mapping[Setting, Path], folder: Path, *, out: Path, jobs: int = 1, progress: Progress | None = None
) -> tuple[list[Findings], dict[str, object], tuple[Path, ...]]:
    """Do the study, or what is left of it.

    Args:
        places: setting -> files of its data set.
        folder: answers and scores are kept here, one folder a setting.
        out: the page; its pictures are written beside it.
        jobs: networks at a time.
        progress: called with (label, done, total).

    Returns:
        The findings, their JSON, and the files that were written.

    Raises:
        InputError: a data set cannot be read.
        RunError: the folder holds other networks.
        StorageError: a file cannot be written.
    """
    findings = []
    for setting, place in places.items():
        kept = folder / setting.name
        records = networks.conduct(setting, place, kept, jobs=jobs, progress=progress)
        # One thread: the arrays are small, and threads would wait for one another.
        with threadpoolctl.threadpool_limits(limits=1):
            evidence = gather(setting, kept, n_classes=records.n_classes, progress=progress)
        findings.append(Findings(setting, evidence))
    result: dict[str, object] = {"schema": SCHEMA, "settings": [one.to_json() for one in findings]}
    pictures = [picture(one) for one in findings]
    text = page(findings, pictures=pictures, out=out)
    return findings, result, publish(out, text, findings=result, data=folder / "findings.json", pictures=pictures)
