"""Files that go to a device: still what was exported, which is found out once, or while they are sent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from harness.errors import ArtifactError
from harness.types import Artifact
from protos import CHUNK_BYTES
from protos.digests import RunningDigest

__all__ = ["EXPORT_HINT", "VerifiedFiles"]

EXPORT_HINT = "export it again with: edgeleak export"

# Path, size, time of the last change, inode, and the digest that was found.
_Version = tuple[Path, int, int, int, str]


class VerifiedFiles:
    """What one session knows of the files that it sent: a file that has not changed is not hashed again."""

    def __init__(self) -> None:
        self._versions: set[_Version] = set()

    def check_size(self, artifact: Artifact) -> None:
        """Whether the file is there and as long as it was: found out before the device hears of it.

        Raises:
            ArtifactError: it is missing or truncated.
        """
        try:
            _check_size(artifact, artifact.path.stat().st_size)
        except OSError as error:
            raise ArtifactError(f"{artifact.path}: {error.strerror}", hint=EXPORT_HINT) from error

    def require(self, artifact: Artifact) -> None:
        """Whether the file still is what was exported.

        Raises:
            ArtifactError: it is missing, truncated or altered.
        """
        for _ in self.pieces(artifact, start=artifact.size_bytes):
            pass

    def pieces(self, artifact: Artifact, *, start: int) -> Iterator[bytes]:
        """The file from a byte on, in pieces of 1 MiB. The last piece comes only where the whole file is right.

        Args:
            artifact: the file.
            start: the byte.

        Raises:
            ArtifactError: it is missing, truncated or altered.
        """
        try:
            with artifact.path.open("rb") as file:
                version = _version(file, artifact)
                if version in self._versions:
                    file.seek(start)
                    yield from _read(file, artifact.size_bytes - start)
                    return
                yield from _pieces_while_hashing(file, artifact, start)
                self._versions.add(version)
        except OSError as error:
            raise ArtifactError(f"{artifact.path}: {error.strerror}", hint=EXPORT_HINT) from error


def _pieces_while_hashing(file: BinaryIO, artifact: Artifact, start: int) -> Iterator[bytes]:
    with RunningDigest() as digest:
        for piece in _read(file, start):
            digest.update(piece)
        left = artifact.size_bytes - start
        for piece in _read(file, left):
            left -= len(piece)
            digest.update(piece)
            if left:
                yield piece
        found = digest.hexdigest()
    if left or found != artifact.sha256:
        raise ArtifactError(
            f"{artifact.path}: altered: its SHA-256 starts {found[:12]}, that of the export {artifact.sha256[:12]}",
            hint=EXPORT_HINT,
        )
    if start < artifact.size_bytes:
        yield piece


def _read(file: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0 and (piece := file.read(min(CHUNK_BYTES, size))):
        size -= len(piece)
        yield piece


def _check_size(artifact: Artifact, size: int) -> None:
    if size != artifact.size_bytes:
        how = "truncated" if size < artifact.size_bytes else "longer than exported"
        message = f"{artifact.path}: {how}: {size} bytes, {artifact.size_bytes} were exported"
        raise ArtifactError(message, hint=EXPORT_HINT)


def _version(file: BinaryIO, artifact: Artifact) -> _Version:
    status = os.fstat(file.fileno())
    _check_size(artifact, status.st_size)
    return artifact.path, status.st_size, status.st_mtime_ns, status.st_ino, artifact.sha256
