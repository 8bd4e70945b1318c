"""Artifacts on the device: known by their SHA-256, resumable, verified before they are listed, bounded, purged.

An upload goes through three states. It is *partial* until all of its bytes are there. It is whole, but not listed,
while the agent tries to load it. It is listed once that has worked.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from device_agent.adoption import adopted
from device_agent.errors import AgentError
from device_agent.folders import Blob, StoreFolders, is_digest
from device_agent.partials import Partials
from protos import CHUNK_BYTES
from protos.digests import RunningDigest
from protos.runtimes import RUNTIMES, Runtime

__all__ = ["Blob", "BlobStore"]

# The disk, the user's quota, or a limit on the size of files.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# More than any audit has.
_ARTIFACTS_MAX = 4096
# Files that are written to the disk at once; the others wait.
_SYNCS_MAX = 2
# Uploads that nobody goes on with may take this share of the room.
_PARTIAL_SHARE = 4


class BlobStore:
    """Artifacts in a folder that nobody else writes to.

    Args:
        folder: where they lie; None makes a private temporary folder that `close` removes.
        max_bytes: room for all of them.
        max_artifacts: how many; each is a folder, an entry of the index and a row of a list.
        clock: seconds that only grow.

    Raises:
        AgentError: FAILED_PRECONDITION where the folder is not private or another agent uses it.
        OSError: the folder cannot be made or read.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        max_bytes: int,
        max_artifacts: int = _ARTIFACTS_MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_bytes = max_bytes
        self._max_artifacts = max_artifacts
        self._folders = StoreFolders(folder)
        self._partials = Partials(self._folders, max_bytes=max_bytes // _PARTIAL_SHARE, clock=clock)
        self._lock = threading.Lock()
        self._disk = ThreadPoolExecutor(_SYNCS_MAX, thread_name_prefix="disk")
        # Digest -> the writing to the disk of what is not listed yet.
        self._syncs: dict[str, Future[None]] = {}
        self._blobs = adopted(self._folders, self._partials)
        # Digest -> size of what is being uploaded or is not listed yet: two uploads cannot promise the same room.
        self._arriving: dict[str, int] = {}

    @property
    def complete_folder(self) -> Path:
        """The folder of whole artifacts, each in a folder of its own whose name nobody can guess."""
        return self._folders.complete_path

    def held(self, sha256: str) -> tuple[int, bool]:
        """Bytes held of an artifact, and whether it is listed.

        Raises:
            AgentError: INVALID_ARGUMENT for a malformed digest.
        """
        _checked(sha256)
        with self._lock:
            blob = self._blobs.get(sha256)
            return (self._partials.held(sha256), False) if blob is None else (blob.size_bytes, True)

    def require(self, sha256: str) -> Blob:
        """A listed artifact.

        Raises:
            AgentError: NOT_FOUND where it is not listed.
        """
        _checked(sha256)
        with self._lock:
            blob = self._blobs.get(sha256)
        if blob is None:
            raise AgentError("NOT_FOUND", f"artifact {sha256[:12]} is not on this device; upload it first")
        return blob

    def list(self) -> list[Blob]:
        """The listed artifacts, by digest."""
        with self._lock:
            self._partials.trim(self._arriving)
            return [self._blobs[sha256] for sha256 in sorted(self._blobs)]

    def delete(self, sha256: str) -> bool:
        """Remove an artifact, listed or partial; whether there was one.

        Raises:
            AgentError: INVALID_ARGUMENT for a malformed digest, ABORTED while it is being uploaded.
        """
        _checked(sha256)
        with self._lock:
            if sha256 in self._arriving:
                raise AgentError("ABORTED", f"artifact {sha256[:12]} is being uploaded; delete it afterwards")
            blob = self._blobs.pop(sha256, None)
            deleted = self._partials.drop(sha256) or blob is not None
        if blob is not None:
            self._folders.remove(blob.place)
        return deleted

    def receive(
        self, sha256: str, *, runtime: str, size_bytes: int, offset_bytes: int, chunks: Iterable[bytes | memoryview]
    ) -> Blob:
        """Append chunks at the offset; once the file is whole and its digest is right, it waits for its verdict.

        The caller then lists it with `publish`, or ends it with `discard` or `postpone`; until then nobody else may
        upload it. A stream that ends early leaves a partial file to resume from.

        Raises:
            AgentError: INVALID_ARGUMENT for a malformed or overlong upload, FAILED_PRECONDITION for another offset than
                what is held, RESOURCE_EXHAUSTED without room, DATA_LOSS for a wrong digest, ABORTED for a second
                upload of the same artifact at the same time.
        """
        _checked(sha256)
        self._reserve(sha256, size_bytes)
        try:
            with _disk_errors(), self._opened(sha256, offset_bytes) as file:
                digest = self._append(file, sha256, offset_bytes, size_bytes, chunks)
                # What was hashed is what will be read. The same bytes were written, each write was checked, a head that
                # lay here before was hashed from the disk, nobody else writes in this folder, and what the disk cannot
                # take is an error of the sync for which `publish` waits.
                if digest != sha256:
                    self._drop(sha256)
                    message = f"artifact {sha256[:12]}: the bytes received have another digest"
                    raise AgentError("DATA_LOSS", f"{message}; upload it from the start")
                blob = self._moved(sha256, RUNTIMES[runtime], size_bytes)
                # Beside the loading, which takes about as long.
                self._syncs[sha256] = self._disk.submit(_sync_and_close, os.dup(file))
                return blob
        except BaseException:
            self._release(sha256)
            raise

    def publish(self, blob: Blob) -> None:
        """List a file that `receive` returned: it can be loaded."""
        with _disk_errors():
            # A listed name must never stand for bytes that a power cut can still take.
            self._syncs.pop(blob.sha256).result()
            self._folders.mark_listed(blob)
        with self._lock:
            self._blobs[blob.sha256] = blob
            self._arriving.pop(blob.sha256, None)

    def discard(self, blob: Blob) -> None:
        """Remove a file that `receive` returned: it cannot be loaded."""
        try:
            self._folders.remove(blob.place)
        finally:
            self._release(blob.sha256)

    def postpone(self, blob: Blob) -> None:
        """Make a file that `receive` returned a partial one that lacks nothing: its uploader left too early."""
        try:
            with _disk_errors():
                self._syncs.pop(blob.sha256).result()
                with self._lock:
                    self._partials.take(blob.place, blob.sha256, folder=self._folders.complete)
        finally:
            self.discard(blob)

    def close(self) -> None:
        """Let the folder go, and remove it where it is private."""
        self._disk.shutdown()
        self._folders.close()

    # -- an upload ---------------------------------------------------------------------------------------------------

    def _reserve(self, sha256: str, size_bytes: int) -> None:
        named = f"artifact {sha256[:12]}"
        if size_bytes <= 0:
            raise AgentError("INVALID_ARGUMENT", f"{named}: a size of {size_bytes} bytes cannot be right")
        with self._lock:
            if sha256 in self._arriving:
                raise AgentError("ABORTED", f"{named} is being uploaded by someone else; try again")
            if sha256 in self._blobs:
                raise AgentError("ABORTED", f"{named} was uploaded by someone else meanwhile; try again")
            if len(self._blobs) + len(self._arriving) >= self._max_artifacts:
                message = f"{named}: this device holds {self._max_artifacts} artifacts, which is the most; delete some"
                raise AgentError("RESOURCE_EXHAUSTED", message)
            self._partials.trim(self._arriving)
            self._make_room(sha256, size_bytes)
            self._arriving[sha256] = size_bytes

    def _make_room(self, sha256: str, size_bytes: int) -> None:
        """Drop partial files until this one has room; listed ones stay.

        Raises:
            AgentError: RESOURCE_EXHAUSTED where that is not enough.
        """
        busy = {sha256, *self._arriving}
        used = sum(blob.size_bytes for blob in self._blobs.values()) + sum(self._arriving.values())
        if used + size_bytes > self.max_bytes:
            message = f"artifact {sha256[:12]} takes {size_bytes} bytes; {used} of {self.max_bytes} are in use"
            hint = "delete artifacts, or start the agent with a larger --max-store-bytes"
            raise AgentError("RESOURCE_EXHAUSTED", f"{message}; {hint}")
        while used + self._partials.resting_bytes(busy) + size_bytes > self.max_bytes:
            self._partials.drop_oldest(busy)
        to_come = size_bytes - self._partials.held(sha256)
        to_come += sum(
            size - self._partials.held(other) for other, size in self._arriving.items() if other not in self._syncs
        )
        while to_come > self._folders.free_bytes():
            if not self._partials.drop_oldest(busy):
                message = f"artifact {sha256[:12]} takes {size_bytes} bytes; {self._folders.free_bytes()} are free"
                raise AgentError("RESOURCE_EXHAUSTED", f"{message} on the device's disk; free room and deploy again")

    @contextlib.contextmanager
    def _opened(self, sha256: str, offset_bytes: int) -> Iterator[int]:
        """A descriptor of the partial file, which ends where the upload starts."""
        with self._lock:
            try:
                file = self._partials.open(sha256)
            except OSError:
                # Somebody cleared the folder; the next attempt begins anew.
                self._partials.drop(sha256)
                raise AgentError("FAILED_PRECONDITION", f"artifact {sha256[:12]}: its first part is gone") from None
        try:
            held = os.fstat(file).st_size
            if offset_bytes != held:
                message = f"artifact {sha256[:12]}: {held} bytes are held, the upload starts at {offset_bytes}"
                raise AgentError("FAILED_PRECONDITION", f"{message}; resume at {held}")
            yield file
        except OSError as error:
            if error.errno in _FULL:
                self._drop(sha256)
            raise
        finally:
            with self._lock:
                if self._partials.held(sha256):
                    self._partials.grow(sha256, os.fstat(file).st_size)
            os.close(file)

    def _append(self, file: int, sha256: str, held: int, size_bytes: int, chunks: Iterable[bytes | memoryview]) -> str:
        """Write the chunks; the digest of the whole file."""
        with RunningDigest() as digest:
            _hash_head(file, held, digest)
            for chunk in chunks:
                held += len(chunk)
                if held > size_bytes or len(chunk) > CHUNK_BYTES:
                    self._drop(sha256)
                    why = f"more than {size_bytes} bytes came" if held > size_bytes else "a chunk is over 1 MiB"
                    raise AgentError("INVALID_ARGUMENT", f"upload: {why}; the part received is removed")
                digest.update(chunk)
                _write(file, chunk)
                with self._lock:
                    self._partials.grow(sha256, held)
            if held < size_bytes:
                message = f"artifact {sha256[:12]}: the upload ended at {held} of {size_bytes} bytes"
                raise AgentError("INVALID_ARGUMENT", f"{message}; resume at {held}")
            return digest.hexdigest()

    def _moved(self, sha256: str, runtime: Runtime, size_bytes: int) -> Blob:
        blob = self._folders.new_blob(sha256, runtime, size_bytes)
        with self._lock:
            os.rename(
                self._partials.name(sha256),
                blob.place,
                src_dir_fd=self._folders.partial,
                dst_dir_fd=self._folders.complete,
            )
            self._partials.forget(sha256)
        return blob

    def _drop(self, sha256: str) -> None:
        with self._lock:
            self._partials.drop(sha256)

    def _release(self, sha256: str) -> None:
        with self._lock:
            self._arriving.pop(sha256, None)
            self._syncs.pop(sha256, None)
            self._partials.trim(self._arriving)


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    """A full disk is a status of its own, and no error names a path of this device."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise AgentError("RESOURCE_EXHAUSTED", "the device's disk is full; free room and deploy again") from error
        raise AgentError("INTERNAL", f"the device's disk failed: {error.strerror}") from error


def _checked(sha256: str) -> str:
    if not is_digest(sha256):
        raise AgentError("INVALID_ARGUMENT", "a digest is 64 lower-case hexadecimal digits")
    return sha256


def _sync_and_close(file: int) -> None:
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _write(file: int, chunk: bytes | memoryview) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(file, rest) :]


def _hash_head(file: int, size: int, digest: RunningDigest) -> None:
    """Hash what lay on the disk before this upload."""
    for start in range(0, size, CHUNK_BYTES):
        digest.update(os.pread(file, min(CHUNK_BYTES, size - start), start))
