"""Archives as the kernel unpacks them at its start: the same entries give the same bytes, whoever writes them."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

__all__ = ["Entry", "directory", "file", "link", "write"]

_END = "TRAILER!!!"
# The kernel reads archives that follow one another where each ends on such a boundary.
_BLOCK = 512


@dataclass(frozen=True)
class Entry:
    """One file, link or folder, owned by root and of no age.

    Args:
        mode: type and permissions.
        content: of a file, or where a link leads.
    """

    mode: int
    content: bytes = b""


def file(content: bytes, *, permissions: int = 0o644) -> Entry:
    """A file."""
    return Entry(stat.S_IFREG | permissions, content)


def link(target: str) -> Entry:
    """A symbolic link."""
    return Entry(stat.S_IFLNK | 0o777, target.encode())


def directory(*, permissions: int = 0o755) -> Entry:
    """A folder."""
    return Entry(stat.S_IFDIR | permissions)


def write(stream: IO[bytes], entries: Mapping[str, Entry]) -> None:
    """Write an archive; the folders that its paths need are added.

    Args:
        stream: binary.
        entries: by their paths, without a slash before them.
    """
    whole = dict(entries)
    for path in entries:
        parts = path.split("/")
        for depth in range(1, len(parts)):
            whole.setdefault("/".join(parts[:depth]), directory())
    size = 0
    # By their paths' parts, so that a folder comes before what lies in it.
    for number, path in enumerate(sorted(whole, key=lambda path: path.split("/")), start=1):
        size += stream.write(_record(number, path, whole[path]))
    size += stream.write(_record(0, _END, Entry(0)))
    stream.write(bytes(-size % _BLOCK))


def _record(number: int, path: str, entry: Entry) -> bytes:
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    # Inode, mode, user, group, links, time, size, two devices of two numbers, length of the name, checksum.
    fields = (number, entry.mode, 0, 0, links, 0, len(entry.content), 0, 0, 0, 0, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % value for value in fields)
    head = header + name
    return head + bytes(-len(head) % 4) + entry.content + bytes(-len(entry.content) % 4)
