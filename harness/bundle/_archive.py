"""The bundle's archive: the same bytes for the same files, whoever makes it and when."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import IO, cast

from harness.bundle._tree import EXECUTABLE, PLAIN

__all__ = ["write_archive", "write_tar"]

# The first date that every archive format can hold; tar warns about the one of zero.
_DATE = 315532800
# Level 9 saves another 0.6% in three times the time.
_LEVEL = 6


def write_archive(folder: Path, archive: Path) -> None:
    """Pack all files of a folder, gzipped: sorted, of root, of one date, and readable by everybody.

    Args:
        folder: what is packed.
        archive: the file that is written.

    Raises:
        OSError: it cannot be written.
    """
    paths = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    with archive.open("wb") as stream, gzip.GzipFile("", "wb", _LEVEL, stream, mtime=0) as packed:
        write_tar(folder, paths, packed)


def write_tar(folder: Path, paths: Iterable[str], stream: IO[bytes] | gzip.GzipFile) -> None:
    """Write files of a folder as a tar archive.

    Args:
        folder: that they lie in.
        paths: in the folder.
        stream: that it is written to.
    """
    wanted = sorted(set(paths))
    above = {str(parent) for path in wanted for parent in PurePosixPath(path).parents} - {"."}
    # What busybox and Android's toybox can read, too.
    with tarfile.open(fileobj=cast(IO[bytes], stream), mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted([*wanted, *above]):
            entry = tarfile.TarInfo(path)
            entry.mtime = _DATE
            if path in above:
                entry.type, entry.mode = tarfile.DIRTYPE, EXECUTABLE
                archive.addfile(entry)
                continue
            content = (folder / path).read_bytes()
            entry.size = len(content)
            entry.mode = EXECUTABLE if (folder / path).stat().st_mode & 0o100 else PLAIN
            archive.addfile(entry, io.BytesIO(content))
