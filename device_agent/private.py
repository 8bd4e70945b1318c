"""The agent's private folder, and those that killed agents left behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

__all__ = ["PrivateFolder"]

_PREFIX = "edgeleak-agent-"
# Locked as long as its agent lives; the kernel lets go of the lock however that ends.
_LOCK = "lock"


class PrivateFolder:
    """A temporary folder of mode 0700 that `close` removes.

    An agent that is killed cannot remove its own: the next one of the same user does it here, so that models do not
    pile up on a device.
    """

    def __init__(self) -> None:
        _sweep(Path(tempfile.gettempdir()))
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = _lock(self.path, create=True)
        if self._lock is None:
            # Another agent's sweep came between the two lines above and took the folder; it does not happen twice.
            # Where the file system has no locks at all, the folder merely is not swept.
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
            self._lock = _lock(self.path, create=True)

    def close(self) -> None:
        """Remove the folder and what is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)


def _sweep(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        locked = _lock(folder, create=False)
        if locked is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(locked)


def _lock(folder: Path, *, create: bool) -> int | None:
    """A descriptor that holds the folder's lock; None where someone else does, or where it is not ours to take."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    try:
        if folder.stat().st_uid != os.getuid():
            return None
        descriptor = os.open(folder / _LOCK, flags, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        with contextlib.suppress(OSError):
            os.close(descriptor)
        return None
    return descriptor
