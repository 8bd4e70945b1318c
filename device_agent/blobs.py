"""Artifacts on the device: known by their SHA-256, resumable, verified, bounded, purged."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from device_agent.errors import AgentError
from device_agent.private import PrivateFolder
from protos import CHUNK_BYTES
from protos.runtimes import RUNTIMES, by_suffix

__all__ = ["Blob", "BlobStore"]

# Lower-case hexadecimal SHA-256: nothing else becomes part of a path.
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PARTIAL = ".part"
# The disk, the user's quota, or a limit on the size of files.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Blob:
    """One complete file.

    Args:
        sha256: its digest.
        runtime: the runtime that executes it.
        path: where it lies.
        size_bytes: its size.
    """

    sha256: str
    runtime: str
    path: Path
    size_bytes: int


class BlobStore:
    """A folder of artifacts. Complete files are named by digest and runtime, partial ones by digest.

    Args:
        folder: where they lie; None makes a private temporary folder that `close` removes.
        max_bytes: room for all of them.
    """

    def __init__(self, folder: Path | None = None, *, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._private: PrivateFolder | None = None
        if folder is None:
            self._private = PrivateFolder()
            folder = self._private.path
        self._folder = folder
        self._lock = threading.Lock()
        self._blobs: dict[str, Blob] = {}
        # Digest -> size that a running upload will take: two uploads cannot promise the same room.
        self._arriving: dict[str, int] = {}
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(self._folder.iterdir()):
            self._adopt(path)

    @property
    def folder(self) -> Path:
        """Where the complete artifacts lie."""
        return self._folder

    def held(self, sha256: str) -> tuple[int, bool]:
        """Bytes held of an artifact, and whether it is complete.

        Raises:
            AgentError: INVALID_ARGUMENT for a malformed digest.
        """
        blob = self._blobs.get(_checked(sha256))
        if blob is not None:
            return blob.size_bytes, True
        partial = self._partial(sha256)
        return (partial.stat().st_size if partial.exists() else 0), False

    def require(self, sha256: str) -> Blob:
        """A complete artifact.

        Raises:
            AgentError: NOT_FOUND where it is not held.
        """
        blob = self._blobs.get(_checked(sha256))
        if blob is None:
            raise AgentError("NOT_FOUND", f"artifact {sha256[:12]} is not on this device; upload it first")
        return blob

    def list(self) -> list[Blob]:
        """The complete artifacts, by digest."""
        with self._lock:
            return [self._blobs[sha256] for sha256 in sorted(self._blobs)]

    def delete(self, sha256: str) -> bool:
        """Remove an artifact, complete or partial; whether there was one.

        Raises:
            AgentError: INVALID_ARGUMENT for a malformed digest, ABORTED while it is being uploaded.
        """
        if _checked(sha256) in self._arriving:
            raise AgentError("ABORTED", f"artifact {sha256[:12]} is being uploaded; delete it afterwards")
        blob = self._blobs.pop(sha256, None)
        partial = self._partial(sha256)
        deleted = blob is not None or partial.exists()
        for path in (blob.path if blob else None, partial):
            if path is not None:
                path.unlink(missing_ok=True)
        return deleted

    def receive(
        self, sha256: str, *, runtime: str, size_bytes: int, offset_bytes: int, chunks: Iterable[bytes]
    ) -> Blob:
        """Append chunks at the offset, and keep the file once it is whole and its digest is right.

        A stream that ends early leaves a partial file to resume from.

        Raises:
            AgentError: INVALID_ARGUMENT for a malformed or overlong upload, FAILED_PRECONDITION for another offset than
                what is held, RESOURCE_EXHAUSTED without room, DATA_LOSS for a wrong digest, ABORTED for a second
                upload of the same artifact at the same time.
        """
        _checked(sha256)
        with self._reserved(sha256, size_bytes):
            partial = self._partial(sha256)
            held = partial.stat().st_size if partial.exists() else 0
            if offset_bytes != held:
                message = f"artifact {sha256[:12]}: {held} bytes are held, the upload starts at {offset_bytes}"
                raise AgentError("FAILED_PRECONDITION", f"{message}; resume at {held}")
            try:
                received = self._append(partial, held, size_bytes, chunks)
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                partial.unlink(missing_ok=True)
                raise AgentError(
                    "RESOURCE_EXHAUSTED", "the device's disk is full; free room and deploy again"
                ) from error
            if received < size_bytes:
                message = f"artifact {sha256[:12]}: the upload ended at {received} of {size_bytes} bytes"
                raise AgentError("INVALID_ARGUMENT", f"{message}; resume at {received}")
            return self._complete(sha256, runtime, partial)

    def close(self) -> None:
        """Remove the folder where it is private."""
        if self._private is not None:
            self._private.close()

    def _append(self, partial: Path, held: int, size_bytes: int, chunks: Iterable[bytes]) -> int:
        with partial.open("ab") as file:
            for chunk in chunks:
                held += len(chunk)
                if held > size_bytes or len(chunk) > CHUNK_BYTES:
                    partial.unlink()
                    why = f"more than {size_bytes} bytes came" if held > size_bytes else "a chunk is over 1 MiB"
                    raise AgentError("INVALID_ARGUMENT", f"upload: {why}; the part received is removed")
                file.write(chunk)
            file.flush()
            # A complete name must never stand for bytes that a power cut can still take.
            os.fsync(file.fileno())
        return held

    def _complete(self, sha256: str, runtime: str, partial: Path) -> Blob:
        # Hashed from the disk and not from the stream: this is what the loader will read, resumed part included.
        if _digest(partial) != sha256:
            partial.unlink()
            message = f"artifact {sha256[:12]}: the bytes received have another digest; upload it from the start"
            raise AgentError("DATA_LOSS", message)
        path = self._folder / f"{sha256}{RUNTIMES[runtime].suffix}"
        partial.replace(path)
        blob = Blob(sha256, runtime, path, path.stat().st_size)
        self._blobs[sha256] = blob
        return blob

    @contextmanager
    def _reserved(self, sha256: str, size_bytes: int) -> Iterator[None]:
        if size_bytes <= 0:
            raise AgentError(
                "INVALID_ARGUMENT", f"artifact {sha256[:12]}: a size of {size_bytes} bytes cannot be right"
            )
        with self._lock:
            if sha256 in self._arriving:
                raise AgentError("ABORTED", f"artifact {sha256[:12]} is being uploaded by someone else; try again")
            used = self._used_bytes(besides=sha256)
            if used + size_bytes > self.max_bytes:
                message = f"artifact {sha256[:12]} takes {size_bytes} bytes; {used} of {self.max_bytes} are in use"
                hint = "delete artifacts, or start the agent with a larger --max-store-bytes"
                raise AgentError("RESOURCE_EXHAUSTED", f"{message}; {hint}")
            self._arriving[sha256] = size_bytes
        try:
            yield
        finally:
            with self._lock:
                del self._arriving[sha256]

    def _used_bytes(self, *, besides: str) -> int:
        lying = {path.stem: path.stat().st_size for path in self._folder.iterdir()}
        return sum(size for stem, size in {**lying, **self._arriving}.items() if stem != besides)

    def _adopt(self, path: Path) -> None:
        """Take over a file of an earlier agent in the same folder, if it still is what its name says."""
        runtime = by_suffix(path.suffix)
        if runtime is None or not _DIGEST.fullmatch(path.stem):
            return
        if _digest(path) == path.stem:
            self._blobs[path.stem] = Blob(path.stem, runtime.name, path, path.stat().st_size)
        else:
            path.unlink()

    def _partial(self, sha256: str) -> Path:
        return self._folder / f"{sha256}{_PARTIAL}"


def _checked(sha256: str) -> str:
    if not _DIGEST.fullmatch(sha256):
        raise AgentError("INVALID_ARGUMENT", "a digest is 64 lower-case hexadecimal digits")
    return sha256


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
