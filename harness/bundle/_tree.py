"""The bundle's folder while it is being made: plain files alone, each counted under a part."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from harness.errors import EdgeleakError

__all__ = ["EXECUTABLE", "PLAIN", "Tree", "digest_of"]

PLAIN, EXECUTABLE = 0o644, 0o755


@dataclass
class Tree:
    """A folder that is filled.

    Args:
        folder: that exists.
        parts: path in it -> part that its size is counted under.
    """

    folder: Path
    parts: dict[str, str] = field(default_factory=dict)

    def put(self, path: str, content: bytes, part: str, *, executable: bool = False) -> None:
        """Write a file.

        Args:
            path: in the folder.
            content: all of it.
            part: that its size is counted under.
            executable: whether it is a program.

        Raises:
            EdgeleakError: the path leads out of the folder.
        """
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts or not pure.parts:
            raise EdgeleakError(f"a file of {part} would go to {path!r}, outside the bundle", hint="remove its source")
        place = self.folder / pure
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        place.chmod(EXECUTABLE if executable else PLAIN)
        self.parts[str(pure)] = part

    def read(self, path: str) -> bytes:
        """A file's content."""
        return (self.folder / path).read_bytes()

    @property
    def paths(self) -> list[str]:
        """Of all files, sorted."""
        return sorted(self.parts)


def digest_of(content: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
