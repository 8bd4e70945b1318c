"""Reads an untrusted .npz array by array: without pickle, with every size checked, and errors that name the key."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Self

import numpy as np

from harness.errors import InputError
from harness.types import Array

__all__ = ["Archive"]

MAGIC = np.lib.format.MAGIC_PREFIX
SUFFIX = ".npy"
# Deflate compresses at most 1032 to 1; a member that claims a higher ratio is damaged or malicious.
MAX_RATIO = 1032
# Readers of the array header by its version; version 3 is for structured arrays, which are not supported.
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class Archive:
    """The arrays of one file, by key.

    An array's header is compared with the size of its data before any memory is allocated: a header of a few bytes
    may claim a petabyte.

    Args:
        path: the file, for error messages.
        zipped: the opened file.
        keys: its keys, in the file's order.
    """

    def __init__(self, path: Path, zipped: zipfile.ZipFile, keys: tuple[str, ...]) -> None:
        self.path = path
        self.keys = keys
        self._zipped = zipped
        self._unread = set(keys)

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """Open a file for the duration of a ``with`` block.

        Raises:
            InputError: there is no such file, or it is not an .npz file.
        """
        if not path.exists():
            raise InputError(f"{path}: no such file")
        if not path.is_file():
            raise InputError(f"{path}: not a file", hint="give an .npz file")
        try:
            file = path.open("rb")
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        with file:
            zipped = _unzipped(path, file)
            yield cls(path, zipped, _keys(path, zipped))

    def under(self, prefix: str) -> tuple[str, ...]:
        """The keys that begin with ``prefix``."""
        return tuple(key for key in self.keys if key.startswith(prefix))

    def unread(self) -> tuple[str, ...]:
        """The keys of arrays that have not been read."""
        return tuple(key for key in self.keys if key in self._unread)

    def array(self, key: str) -> Array:
        """The array of ``key``.

        Raises:
            InputError: it is missing, damaged, too large for this machine, or holds Python objects.
        """
        if key not in self.keys:
            present = ", ".join(self.keys[:8]) + (", ..." if len(self.keys) > 8 else "")
            raise InputError(f"{self.path}: key {key} is missing", hint=f"present: {present or 'none'}")
        self._unread.discard(key)
        try:
            return self._read(key)
        except InputError:
            raise
        except MemoryError:
            raise InputError(f"{self.path}: key {key} does not fit in memory", hint="give fewer records") from None
        except Exception as error:  # zipfile, its codecs and numpy raise many kinds for damaged bytes
            raise InputError(
                f"{self.path}: key {key} is damaged, or not an array", hint="copy or write the file again"
            ) from error

    def _read(self, key: str) -> Array:
        member = self._zipped.getinfo(key + SUFFIX)
        with self._zipped.open(member) as stream:
            shape, dtype = _header(stream)
            if dtype.hasobject:
                raise InputError(
                    f"{self.path}: key {key} holds objects, which are never unpickled", hint="store plain numbers"
                )
            stored, claimed = member.file_size - stream.tell(), math.prod(shape) * dtype.itemsize
        if stored != claimed or member.file_size > MAX_RATIO * member.compress_size + MAX_RATIO:
            raise InputError(
                f"{self.path}: key {key} is damaged: shape {list(shape)} of {dtype} takes {claimed:,} bytes, which "
                f"the file does not hold",
                hint="copy or write the file again",
            )
        with self._zipped.open(member) as stream:
            values: Array = np.lib.format.read_array(stream, allow_pickle=False)
        return values


def _unzipped(path: Path, file: BinaryIO) -> zipfile.ZipFile:
    single = file.read(len(MAGIC)) == MAGIC
    file.seek(0)
    if single:
        raise InputError(f"{path}: a single array, expected an .npz file", hint="write it with numpy.savez")
    try:
        return zipfile.ZipFile(file)
    except Exception as error:  # zipfile raises many kinds for damaged bytes
        raise InputError(f"{path}: not a readable .npz file", hint="write it with numpy.savez") from error


def _keys(path: Path, zipped: zipfile.ZipFile) -> tuple[str, ...]:
    """The archive's keys; refuses keys that are not printable on one line."""
    keys = []
    for name in zipped.namelist():
        key = name.removesuffix(SUFFIX)
        if not key.isprintable():
            raise InputError(f"{path}: key {key!r} holds characters that cannot be printed", hint="rename it")
        if key == name:
            raise InputError(f"{path}: {name} is not an array", hint="write the file with numpy.savez")
        if key in keys:
            raise InputError(f"{path}: key {key} occurs twice", hint="write the file again")
        keys.append(key)
    return tuple(keys)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """Read the header: shape and type of the array that follows."""
    shape, _, dtype = HEADERS[np.lib.format.read_magic(stream)](stream)
    return shape, dtype
