"""The files in a package, read without unpacking it to disk."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DependencyError, EdgeleakError

__all__ = ["Member", "members"]


@dataclass(frozen=True)
class Member:
    """A file, a link or a folder of a package.

    Args:
        path: without a slash before it.
        mode: permissions.
        content: of a file; None for a folder and a symbolic link.
        link: where a symbolic link leads; None for the rest.
    """

    path: str
    mode: int
    content: bytes | None
    link: str | None = None


def members(package: Path) -> Iterator[Member]:
    """What a package holds, in its order; a hard link is a file of its own.

    Args:
        package: a file ``.deb``.

    Raises:
        DependencyError: dpkg-deb is not installed.
        EdgeleakError: the package cannot be read.
    """
    try:
        command = ["dpkg-deb", "--fsys-tarfile", str(package)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise DependencyError("dpkg-deb is not installed", hint="do this on Debian or one made of it") from error
    contents: dict[str, bytes] = {}
    with process:
        assert process.stdout is not None, "started with a pipe"  # noqa: S101
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                for entry in archive:
                    path = entry.name.removeprefix("./").strip("/")
                    if entry.isfile():
                        stream = archive.extractfile(entry)
                        contents[path] = b"" if stream is None else stream.read()
                        yield Member(path, entry.mode, contents[path])
                    elif entry.islnk():
                        yield Member(path, entry.mode, contents[entry.linkname.removeprefix("./").strip("/")])
                    elif entry.issym():
                        yield Member(path, 0o777, None, entry.linkname)
                    elif entry.isdir() and path not in ("", "."):
                        yield Member(path, entry.mode, None)
        except (tarfile.TarError, KeyError, OSError) as error:
            raise EdgeleakError(
                f"{package}: is no whole package: {error}", hint="remove it and run it again"
            ) from error
