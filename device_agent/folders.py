"""The folders of the store: checked, locked, and entered by descriptors, so that no link leads out of them."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from device_agent.errors import AgentError
from protos.private import AGENT, PrivateFolder, locked
from protos.runtimes import Runtime

__all__ = ["Blob", "StoreFolders", "is_digest"]

# Lower-case hexadecimal SHA-256: nothing else becomes part of a path.
_DIGEST = re.compile(r"[0-9a-f]{64}")
_COMPLETE, _PARTIAL = "complete", "partial"
_LOCK = "store.lock"
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A name that nobody can guess: a model that names a file of another folder does not find it.
_NAME_BYTES = 16
# A listed file is read-only.
_LISTED_MODE = 0o400
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Blob:
    """One whole file.

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

    @property
    def place(self) -> str:
        """The file, as seen from the folder of whole artifacts."""
        return f"{self.path.parent.name}/{self.path.name}"


class StoreFolders:
    """``complete/<32 hexadecimal digits>/<file>``, one folder for each whole artifact, and ``partial/<file>``.

    Args:
        path: where they lie; None makes a private temporary folder that `close` removes.

    Raises:
        AgentError: FAILED_PRECONDITION where the folder is not private or another agent uses it.
        OSError: it cannot be made or opened.
    """

    def __init__(self, path: Path | None) -> None:
        self._private = PrivateFolder(AGENT) if path is None else None
        self._open = contextlib.ExitStack()
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            if self._private is not None:
                path = self._private.path
            assert path is not None, "private or given"  # noqa: S101
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path = path.resolve()
            self.root = self._folder(str(self.path), None)
            self._lock()
            self.complete = self._folder(_COMPLETE, self.root)
            self.partial = self._folder(_PARTIAL, self.root)
            undo.pop_all()

    @property
    def complete_path(self) -> Path:
        """Path of the folder of whole artifacts."""
        return self.path / _COMPLETE

    def new_blob(self, sha256: str, runtime: Runtime, size_bytes: int) -> Blob:
        """Make a folder for one whole artifact; where the file will lie."""
        name = secrets.token_hex(_NAME_BYTES)
        os.mkdir(name, 0o700, dir_fd=self.complete)
        return Blob(sha256, runtime.name, self.complete_path / name / f"{sha256}{runtime.suffix}", size_bytes)

    def mark_listed(self, blob: Blob) -> None:
        """Let the next agent in the same store know that the file was loaded once."""
        os.chmod(blob.place, _LISTED_MODE, dir_fd=self.complete)

    def remove(self, place: str) -> None:
        """Remove a whole artifact and its folder, as far as they are there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(place, dir_fd=self.complete)
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(place.partition("/")[0], dir_fd=self.complete)

    def completes(self) -> Iterator[str]:
        """Every file that lies where whole artifacts do, as seen from there."""
        for folder in _names(self.complete):
            try:
                descriptor = os.open(folder, _OPEN_FOLDER, dir_fd=self.complete)
            except OSError:
                # A link, or a file: not made here.
                continue
            try:
                names = _names(descriptor)
            finally:
                os.close(descriptor)
            yield from (f"{folder}/{name}" for name in names)
            if not names:
                os.rmdir(folder, dir_fd=self.complete)

    def partials(self) -> list[str]:
        """Names of the files that are not whole."""
        return _names(self.partial)

    def flat(self) -> list[str]:
        """Names in the store itself, where earlier versions kept all files."""
        return _names(self.root)

    def free_bytes(self) -> int:
        """Room on the disk for this user."""
        disk = os.fstatvfs(self.partial)
        return disk.f_bavail * disk.f_frsize

    def close(self) -> None:
        """Let the folders go, and remove them where they are private; a second call does nothing."""
        self._open.close()
        if self._private is not None:
            self._private.close()

    def _folder(self, name: str, parent: int | None) -> int:
        """A descriptor of a folder that this user alone may write to, made where it is not there."""
        if parent is not None:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=parent)
        where = name if parent is None else str(self.path / name)
        try:
            descriptor = os.open(name, _OPEN_FOLDER, dir_fd=parent)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                message = f"{where} is a link or a file, not a folder; remove it, or name a new folder"
                raise AgentError("FAILED_PRECONDITION", message) from error
            raise
        self._open.callback(os.close, descriptor)
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid():
            raise AgentError(
                "FAILED_PRECONDITION", f"{where} belongs to another user; name a folder of your own, or a new one"
            )
        if status.st_mode & _OTHERS_MAY_WRITE:
            raise AgentError(
                "FAILED_PRECONDITION", f"others may write to {where}; run chmod 700 on it, or name a new folder"
            )
        return descriptor

    def _lock(self) -> None:
        try:
            self._open.callback(os.close, locked(_LOCK, folder=self.root))
        except BlockingIOError:
            message = f"another agent uses {self.path}; stop it, or name another folder"
            raise AgentError("FAILED_PRECONDITION", message) from None


def _names(folder: int) -> list[str]:
    return sorted(os.listdir(folder))


def is_digest(text: str) -> bool:
    """Whether this is a digest as the contract has it."""
    return _DIGEST.fullmatch(text) is not None
