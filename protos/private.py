"""Private temporary folders, and those that killed processes left behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import weakref
from pathlib import Path

__all__ = ["AGENT", "LOCAL", "PrivateFolder", "locked"]

# What the folders of an agent, and of a host with an agent of its own, are called.
AGENT, LOCAL = "edgeleak-agent-", "edgeleak-local-"
# Locked as long as its process lives; the kernel lets go of the lock however that ends.
_LOCK = "lock"


class PrivateFolder:
    """A temporary folder of mode 0700 that `close` removes.

    A process that is killed cannot remove its own: the next one of the same user does it here, so that models do not
    pile up on a disk.

    Args:
        prefix: `AGENT` or `LOCAL`.
    """

    def __init__(self, prefix: str) -> None:
        for abandoned in (AGENT, LOCAL):
            _sweep(Path(tempfile.gettempdir()), abandoned)
        self.path = Path(tempfile.mkdtemp(prefix=prefix))
        lock = _lock(self.path, create=True)
        if lock is None:
            # Another process's sweep came between the two lines above and took the folder; it does not happen twice.
            # Where the file system has no locks at all, the folder merely is not swept.
            self.path = Path(tempfile.mkdtemp(prefix=prefix))
            lock = _lock(self.path, create=True)
        self._lock = lock
        self._remove = weakref.finalize(self, _remove, self.path, lock)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a child process must inherit for the folder to be in use as long as that child lives."""
        return () if self._lock is None else (self._lock,)

    def close(self) -> None:
        """Remove the folder and what is in it; a second call does nothing."""
        self._remove()


def locked(name: str, *, folder: int | None = None, create: bool = True) -> int:
    """A descriptor that holds the lock of a file, which is made where it is not there.

    Args:
        name: of the file; a link is not followed.
        folder: descriptor of the folder in which it lies.
        create: make it.

    Raises:
        BlockingIOError: someone else holds the lock.
        OSError: there is no such file, or the file system has no locks.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove(path: Path, lock: int | None) -> None:
    shutil.rmtree(path, ignore_errors=True)
    if lock is not None:
        os.close(lock)


def _sweep(parent: Path, prefix: str) -> None:
    for folder in parent.glob(f"{prefix}*"):
        lock = _lock(folder, create=False)
        if lock is not None:
            _remove(folder, lock)


def _lock(folder: Path, *, create: bool) -> int | None:
    """A descriptor that holds the folder's lock; None where someone else does, or where it is not ours to take."""
    with contextlib.suppress(OSError):
        if folder.lstat().st_uid == os.getuid():
            return locked(str(folder / _LOCK), create=create)
    return None
