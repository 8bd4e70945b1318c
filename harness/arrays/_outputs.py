"""Files of what attacks on arrays found: the suffix says what a file holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness import files
from harness.arrays import _scores
from harness.arrays._findings import ArrayFindings
from harness.errors import UsageError
from harness.report.writers import html

__all__ = ["KINDS", "require_places", "write"]


def _page(found: ArrayFindings) -> bytes:
    return html.render(found.report, found.curves).encode()


def _picture(found: ArrayFindings) -> bytes:
    return found.plot().svg.encode()


def _json(found: ArrayFindings) -> bytes:
    return (json.dumps(found.to_json(), indent=2) + "\n").encode()


# Suffix -> what the file holds, and what makes its bytes.
KINDS: Mapping[str, tuple[str, Callable[[ArrayFindings], bytes]]] = {
    ".csv": ("scores of the records", _scores.as_csv),
    ".parquet": ("scores of the records", _scores.as_parquet),
    ".npz": ("scores of the records", _scores.as_npz),
    ".html": ("a page", _page),
    ".svg": ("the ROC curves", _picture),
    ".json": ("the figures", _json),
}


def require_places(places: Sequence[Path], *, inputs: Sequence[Path] = (), overwrite: bool = False) -> None:
    """Raise now where a file could not be written once the attacks are done.

    Args:
        places: the files.
        inputs: files that are read.
        overwrite: whether files may be there already.

    Raises:
        UsageError: a suffix says nothing, a folder does not exist, a file does, or two are the same.
    """
    for number, place in enumerate(places):
        if place.suffix not in KINDS:
            known = "; ".join(f"{suffix} is {what}" for suffix, (what, _) in KINDS.items())
            raise UsageError(f"{place}: the suffix does not say what to write", hint=known)
        if not place.absolute().parent.is_dir():
            raise UsageError(f"{place}: its folder does not exist", hint="make it first")
        if place.absolute() in [other.absolute() for other in places[:number]]:
            raise UsageError(f"{place}: is named twice", hint="give each file once")
        if not place.exists():
            continue
        if place.is_dir() or any(one.exists() and place.samefile(one) for one in inputs):
            what = "a folder" if place.is_dir() else "what is read"
            raise UsageError(f"{place}: is {what}", hint="give another name")
        if not overwrite:
            raise UsageError(f"{place}: is there already", hint="remove it, or give another name")


def write(found: ArrayFindings, place: Path) -> None:
    """Write one file, whole or not at all, readable by its owner alone: scores tell who is a member.

    Raises:
        DependencyError: it ends in .parquet and pyarrow is not installed.
        UnresolvedError: it is a picture and no attack ran.
        StorageError: it cannot be written.
    """
    _, render = KINDS[place.suffix]
    files.write(place.absolute(), render(found))
