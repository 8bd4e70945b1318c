"""Reads untrusted files within a size limit, as a whole, with errors that name the file and the row."""

from __future__ import annotations

import csv
import gzip
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from harness.errors import InputError
from harness.types import IntArray

__all__ = [
    "decode",
    "ids_by_file",
    "lines_of",
    "members",
    "read_bytes",
    "read_gzip",
    "rows_of_csv",
    "sources_by_file",
]

# Each file's records get ids from a range of its own, so that ids do not depend on which other files are present.
FILE_STRIDE = 1_000_000_000
# No supported text file is larger than this.
MOST_TEXT_BYTES = 2 << 30


def read_bytes(path: Path, *, most: int = MOST_TEXT_BYTES) -> bytes:
    """Read a file's bytes.

    Raises:
        InputError: it is missing, unreadable, or larger than ``most`` bytes.
    """
    _require_size(path, most)
    with _failures_of(path):
        return path.read_bytes()


def _require_size(path: Path, most: int) -> None:
    with _failures_of(path):
        size = path.stat().st_size
    if size > most:
        raise InputError(f"{path}: {size:,} bytes, at most {most:,} are read")


@contextmanager
def _failures_of(path: Path) -> Iterator[None]:
    """What the system says of a file that cannot be opened or read, as an error that names it."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def read_gzip(path: Path, *, most: int) -> bytes:
    """Read the content of a ``.gz`` file, or the bytes of a file with another suffix.

    Raises:
        InputError: it is damaged, truncated, or holds more than ``most`` bytes.
    """
    if path.suffix != ".gz":
        return read_bytes(path, most=most)
    try:
        with gzip.open(path, "rb") as stream:
            data = stream.read(most + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: truncated or not gzip: {error}", hint="download it again") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) > most:
        raise InputError(f"{path}: unpacks to more than {most:,} bytes")
    return data


def decode(path: Path | str, data: bytes, *, encoding: str = "utf-8") -> str:
    """Decode bytes as text, without a byte order mark.

    Raises:
        InputError: the bytes are not of this encoding; file and line are named.
    """
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{path}: line {line} is not {encoding.upper()}", hint="convert the file") from None


def lines_of(path: Path, *, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """The lines of a text with their numbers, from 1; split at line feeds only, not at Unicode's other line ends.

    Raises:
        InputError: the file is missing, or not of this encoding.
    """
    lines = decode(path, read_bytes(path), encoding=encoding).removesuffix("\n").split("\n")
    for number, line in enumerate(lines, start=1):
        yield number, line.removesuffix("\r")


def rows_of_csv(path: Path, *, delimiter: str = ",", quoted: bool = True) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table with the number of each row's last line; empty lines are skipped.

    The file is read as its rows are asked for, so that a large one takes no memory of its own.

    Args:
        path: the file, in UTF-8.
        delimiter: separator of two cells.
        quoted: cells may be in quotation marks, and may then hold delimiters and line ends.

    Raises:
        InputError: the file is missing, not UTF-8, or its quotation is broken.
    """
    _require_size(path, MOST_TEXT_BYTES)
    with _failures_of(path), path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(
            stream, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE, strict=True
        )
        try:
            for row in reader:
                if row:
                    yield reader.line_num, row
        except csv.Error as error:
            raise InputError(f"{path}: line {reader.line_num}: {error}") from None
        except UnicodeDecodeError:
            raise _not_utf8(path) from None


def _not_utf8(path: Path) -> InputError:
    """The error that names the first line that is not UTF-8."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return InputError(f"{path}: line {number} is not UTF-8", hint="convert the file")
    return InputError(f"{path}: is not UTF-8", hint="convert the file")


@contextmanager
def members(path: Path) -> Iterator[Iterator[tuple[str, int, IO[bytes]]]]:
    """The plain files of a packed tar, one after the other: name, size, stream; nothing is written to disk.

    Raises:
        InputError: the archive is missing, damaged or truncated; also inside the block.
    """
    try:
        with tarfile.open(path, "r:*") as archive:
            yield (
                (member.name.removeprefix("./"), member.size, stream)
                for member in archive
                if member.isfile() and (stream := archive.extractfile(member)) is not None
            )
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: truncated or not a packed tar: {error}", hint="download it again") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


def ids_by_file(numbers: Sequence[int], rows: Sequence[Sequence[int]]) -> IntArray:
    """Ids of the records of several files, from each file's fixed number and each record's position or number in it."""
    parts = [number * FILE_STRIDE + np.asarray(row, np.int64) for number, row in zip(numbers, rows, strict=True)]
    return np.concatenate(parts)


def sources_by_file(lengths: Sequence[int]) -> IntArray:
    """The index of each record's file, for files read one after the other."""
    return np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
