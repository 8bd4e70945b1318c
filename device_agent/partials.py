"""Uploads that are not whole: what is held of each, within a bound on their number, their bytes and their age."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Collection
from dataclasses import dataclass

from device_agent.folders import StoreFolders

__all__ = ["SUFFIX", "Partials"]

SUFFIX = ".part"
# Abandoned ones, at most: a few hosts with a broken link each.
_COUNT_MAX = 32
# Nobody comes back for an upload that has rested for so long.
_REST_SECONDS = 3600.0
_OPEN = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass
class _Partial:
    size: int
    # When the last byte came.
    since: float


class Partials:
    """An index of the partial files; the store calls it under its lock.

    Args:
        folders: where they lie.
        max_bytes: of those that nobody is uploading; the newest of them is kept whatever its size.
        clock: seconds that only grow.
    """

    def __init__(self, folders: StoreFolders, *, max_bytes: int, clock: Callable[[], float]) -> None:
        self._folders = folders
        self._max_bytes = max_bytes
        self._clock = clock
        # The one that rests for the longest time stands first.
        self._partials: dict[str, _Partial] = {}

    def adopt(self, sha256: str) -> None:
        """Take over the file of an earlier agent, or remove what is not a file of ours."""
        status = os.stat(self.name(sha256), dir_fd=self._folders.partial, follow_symlinks=False)
        ours = stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid == os.geteuid()
        if ours:
            # Not the file's own time: the clock of a board that has no battery says nothing.
            self._partials[sha256] = _Partial(status.st_size, self._clock())
        else:
            self.drop(sha256)

    def take(self, place: str, sha256: str, *, folder: int) -> None:
        """Make a file of another folder a partial one.

        Args:
            place: the file, as seen from its folder.
            sha256: the digest that it is to have.
            folder: descriptor of its folder.
        """
        os.rename(place, self.name(sha256), src_dir_fd=folder, dst_dir_fd=self._folders.partial)
        self.adopt(sha256)

    def held(self, sha256: str) -> int:
        """Bytes held."""
        partial = self._partials.get(sha256)
        return 0 if partial is None else partial.size

    def open(self, sha256: str) -> int:
        """A descriptor of the file, made where there is none.

        Raises:
            OSError: it has gone, or was replaced by a link.
        """
        if sha256 in self._partials:
            return os.open(self.name(sha256), _OPEN, dir_fd=self._folders.partial)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.name(sha256), dir_fd=self._folders.partial)
        descriptor = os.open(self.name(sha256), _OPEN | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=self._folders.partial)
        self._partials[sha256] = _Partial(0, self._clock())
        return descriptor

    def grow(self, sha256: str, size: int) -> None:
        """Note how many bytes are held now."""
        self._partials.pop(sha256, None)
        self._partials[sha256] = _Partial(size, self._clock())

    def forget(self, sha256: str) -> None:
        """The file is no partial one any more: it lies elsewhere."""
        self._partials.pop(sha256, None)

    def drop(self, sha256: str) -> bool:
        """Remove it; whether it was held."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.name(sha256), dir_fd=self._folders.partial)
        return self._partials.pop(sha256, None) is not None

    def resting_bytes(self, busy: Collection[str]) -> int:
        """Bytes of those that nobody is uploading.

        Args:
            busy: digests of those that somebody is uploading.
        """
        return sum(self._partials[sha256].size for sha256 in self._resting(busy))

    def drop_oldest(self, busy: Collection[str]) -> bool:
        """Remove the one that rests for the longest time; whether there was one."""
        resting = self._resting(busy)
        return bool(resting) and self.drop(resting[0])

    def trim(self, busy: Collection[str]) -> None:
        """Remove those that are too old, too many, too large together, or empty."""
        now = self._clock()
        for sha256 in self._resting(busy):
            partial = self._partials[sha256]
            if now - partial.since > _REST_SECONDS or partial.size == 0:
                self.drop(sha256)
        while (resting := self._resting(busy))[1:]:
            if len(resting) <= _COUNT_MAX and self.resting_bytes(busy) <= self._max_bytes:
                return
            self.drop(resting[0])

    @staticmethod
    def name(sha256: str) -> str:
        """Name of the file."""
        return f"{sha256}{SUFFIX}"

    def _resting(self, busy: Collection[str]) -> list[str]:
        return [sha256 for sha256 in self._partials if sha256 not in busy]
