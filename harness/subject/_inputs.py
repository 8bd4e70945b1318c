"""What a run was begun with: the digests of the files that the user supplied."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness import fields
from harness.errors import RunError
from harness.store import Run

__all__ = ["keep_inputs", "kept_inputs", "require_unchanged"]

FILE = "inputs.json"


def require_unchanged(run: Run, inputs: Sequence[tuple[Path, str]]) -> None:
    """Raise where an input is not what the run was begun with; a run that keeps no digests yet takes any.

    A run is bound to the content of its inputs and not to the folder that they lie in. Each is compared with the one
    that had its place: two files that changed places, e.g. members and non-members, are not the same inputs.

    Args:
        run: the run.
        inputs: path and SHA-256 of every input, in an order that the configuration fixes.

    Raises:
        RunError: an input has changed since the run was begun.
    """
    if not (run.folder / FILE).exists():
        return
    known = run.read_json(FILE).get("sha256")
    before = known if isinstance(known, list) else []
    for place, (path, digest) in enumerate(inputs):
        if before[place : place + 1] != [digest]:
            raise RunError(
                f"{path}: has changed since {run.folder} was begun with it",
                hint="give another place with --run, or start over with --fresh",
            )


def keep_inputs(run: Run, inputs: Sequence[tuple[Path, str]]) -> None:
    """Bind a run to its inputs, see :func:`require_unchanged`."""
    run.write_json(FILE, {"sha256": [digest for _, digest in inputs]})


def kept_inputs(run: Run) -> tuple[str, ...]:
    """SHA-256 of every input that a run is bound to; none where nothing was supplied."""
    return fields.strings(run.read_json(FILE), "sha256") if (run.folder / FILE).exists() else ()
