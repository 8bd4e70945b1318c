"""What an earlier agent left in a store that is kept: listed again where it still is what its name says."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import replace
from pathlib import PurePath

from device_agent.folders import Blob, StoreFolders, is_digest
from device_agent.partials import SUFFIX, Partials
from protos import CHUNK_BYTES
from protos.runtimes import by_suffix

__all__ = ["adopted"]


def adopted(folders: StoreFolders, partials: Partials) -> dict[str, Blob]:
    """The listed artifacts, by digest; all else that is of use becomes a partial upload, links and damage are removed.

    What was never loaded is whole and not listed: its next upload sends no byte and has it loaded. So is what a version
    left that kept all files in one folder.

    Args:
        folders: of the store.
        partials: its partial uploads, which are filled.
    """
    for name in folders.partials():
        if (sha256 := _digest_of(name)) is not None:
            partials.adopt(sha256)
    blobs: dict[str, Blob] = {}
    for place in folders.completes():
        sha256, runtime = _digest_of(place), by_suffix(PurePath(place).suffix)
        if sha256 is not None and runtime is not None:
            blob = Blob(sha256, runtime.name, folders.complete_path / place, 0)
            if (whole := _verified(folders, partials, blob, known=sha256 in blobs)) is not None:
                blobs[sha256] = whole
    for name in folders.flat():
        if (sha256 := _digest_of(name)) is not None and sha256 not in blobs:
            partials.take(name, sha256, folder=folders.root)
    partials.trim(())
    return blobs


def _verified(folders: StoreFolders, partials: Partials, blob: Blob, *, known: bool) -> Blob | None:
    """A listed file with its size; None where it is none, and then it does not lie there any more."""
    try:
        file = os.open(blob.place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folders.complete)
    except OSError:
        folders.remove(blob.place)
        return None
    try:
        status = os.fstat(file)
        right = stat.S_ISREG(status.st_mode) and _digest(file, status.st_size) == blob.sha256
    finally:
        os.close(file)
    listed = not status.st_mode & stat.S_IWUSR
    if right and listed and not known:
        return replace(blob, size_bytes=status.st_size)
    if right and not known:
        partials.take(blob.place, blob.sha256, folder=folders.complete)
    folders.remove(blob.place)
    return None


def _digest_of(place: str) -> str | None:
    """The digest by which a file of the store is named; None where the name has another form."""
    path = PurePath(place)
    known = path.suffix == SUFFIX or by_suffix(path.suffix) is not None
    return path.stem if known and is_digest(path.stem) else None


def _digest(file: int, size: int) -> str:
    sha256 = hashlib.sha256()
    for start in range(0, size, CHUNK_BYTES):
        sha256.update(os.pread(file, CHUNK_BYTES, start))
    return sha256.hexdigest()
