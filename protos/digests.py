"""SHA-256 of bytes on their way: computed in a thread, beside the reading, writing or sending of the next ones."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

__all__ = ["RunningDigest"]

# A smaller piece is hashed before another thread would have begun.
_WORTH_A_THREAD_BYTES = 64 * 1024


class RunningDigest:
    """The digest of pieces that come one after another; as a context manager it ends its thread.

    Hashing takes about as long as writing. At most one piece is being hashed while the caller deals with the next.
    """

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="digest")
        self._last: Future[None] | None = None

    def update(self, piece: bytes | memoryview) -> None:
        """Add a piece, which must not change until the next call returns."""
        self._wait()
        if len(piece) < _WORTH_A_THREAD_BYTES:
            self._sha256.update(piece)
        else:
            self._last = self._thread.submit(self._sha256.update, piece)

    def hexdigest(self) -> str:
        """The digest of all pieces so far, lower-case hexadecimal."""
        self._wait()
        return self._sha256.hexdigest()

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()
            self._last = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._thread.shutdown()
