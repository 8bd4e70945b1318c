"""What a run was begun with: the digests of the files that the user supplied."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.errors import RunError
from harness.store import Run

__all__ = ["require_unchanged"]

FILE = "inputs.json"


def require_unchanged(run: Run, digests: Mapping[Path, str]) -> None:
    """Keep the digests of a run's inputs, or raise where one is not what it was.

    A run is bound to the content of its inputs and not to the folder that they lie in.

    Args:
        run: the run.
        digests: path -> SHA-256, every input.

    Raises:
        RunError: an input has changed since the run was begun.
    """
    if not (run.folder / FILE).exists():
        run.write_json(FILE, {"sha256": sorted(digests.values())})
        return
    known = set(run.read_json(FILE).get("sha256", ()))
    for path, digest in digests.items():
        if digest not in known:
            raise RunError(
                f"{path}: has changed since {run.folder} was begun with it",
                hint="give another place with --run, or start over with --fresh",
            )
