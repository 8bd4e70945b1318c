"""The export matrix: architecture x variant x runtime, each cell exported, run through the agent and compared.

:func:`conduct` fills what is missing and writes the page. An architecture's cells live in a run folder of their own, so
an interrupted matrix resumes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.files import write
from protos.runtimes import RUNTIMES
from studies.export_matrix._cells import ARCHITECTURES, VARIANTS, cells
from studies.export_matrix._page import page, sentences

__all__ = ["ARCHITECTURES", "RUNTIMES", "VARIANTS", "conduct", "sentences"]

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
        architectures: names of networks, see :data:`ARCHITECTURES`.
        variants: names of variants, see :data:`VARIANTS`.
        runtimes: where each is exported to.
        device: ``local``, or ``grpc://host:port``.
        jobs: processes at once; None takes one a core.
        progress: called with (label, done, total).

    Returns:
        The cells, and the files that were written.

    Raises:
        ConfigError: an architecture, a variant or a runtime is not known.
        EdgeleakError: the device was lost, or a network could not be trained; what is finished is kept.
    """
    found: list[dict[str, Any]] = []
    for done, name in enumerate(architectures):
        progress("matrix", done, len(architectures))
        found += cells(name, folder, variants=variants, runtimes=runtimes, device=device, jobs=jobs, progress=progress)
    progress("matrix", len(architectures), len(architectures))
    result = {"schema": SCHEMA, "runtimes": list(runtimes), "cells": found}
    kept = folder / "matrix.json"
    write(kept, json.dumps(result, indent=1, allow_nan=False).encode() + b"\n", parents=True)
    write(out, page(result).encode(), parents=True)
    return result, (out, kept)
