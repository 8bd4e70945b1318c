"""The matrix from its cells to its page. An architecture's cells lie in a run folder, so an interrupted one resumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from studies.export_matrix.cells import cells
from studies.export_matrix.page import page
from studies.kit.pages import publish

__all__ = ["conduct"]

SCHEMA = "edgeleak.matrix/1"
Progress = Callable[[str, int, int], None]


def conduct(
    folder: Path,
    *,
    out: Path,
    architectures: Sequence[str],
    variants: Sequence[str],
    runtimes: Sequence[str],
    device: str,
    jobs: int | None,
    progress: Progress,
) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """Fill the matrix, or what is left of it, and write its page.

    Args:
        folder: run folders of the architectures go here.
        out: the Markdown page.
        architectures: names of networks, see :data:`studies.export_matrix.cells.ARCHITECTURES`.
        variants: names of variants, see :data:`studies.export_matrix.cells.VARIANTS`.
        runtimes: where each is exported to.
        device: ``local``, or ``grpc://host:port``.
        jobs: processes at once; None takes one a core.
        progress: called with (label, done, total).

    Returns:
        The cells as JSON, and the files that were written.

    Raises:
        ConfigError: an architecture, a variant or a runtime is not known.
        EdgeleakError: the device was lost, or a network could not be trained; what is finished is kept.
    """
    rows: list[dict[str, Any]] = []
    for done, name in enumerate(architectures):
        progress("matrix", done, len(architectures))
        rows += cells(name, folder, variants=variants, runtimes=runtimes, device=device, jobs=jobs, progress=progress)
    progress("matrix", len(architectures), len(architectures))
    findings = {"schema": SCHEMA, "runtimes": list(runtimes), "cells": rows}
    return findings, publish(out, page(findings), findings=findings, data=folder / "matrix.json")
