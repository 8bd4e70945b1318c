"""Landlock: which files the worker may open, by the kernel's version of it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

from device_agent.cage import _kernel

__all__ = ["Grant", "restrict", "version"]

# The same numbers on every machine.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1
# linux/landlock.h: rights by the version that brought them. A version's mask governs all of them.
_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_FIRST_FILE_RIGHTS = (1 << 13) - 1
_RENAME_ACROSS, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_TCP_BIND, _TCP_CONNECT = 1 << 0, 1 << 1
_ABSTRACT_SOCKETS, _SIGNALS = 1 << 0, 1 << 1
_RENAME_VERSION, _TRUNCATE_VERSION, _TCP_VERSION, _IOCTL_VERSION, _SCOPES_VERSION = 2, 3, 4, 5, 6
# The newest version whose rights are known here; a newer kernel keeps these.
_NEWEST = 7


class Grant:
    """What may be done below a path.

    Args:
        path: a file or folder; one that does not exist grants nothing.
        list_folders: whether names in folders may be listed.
        write: whether the file may be written.
    """

    def __init__(self, path: Path, *, list_folders: bool = True, write: bool = False) -> None:
        self.path = path
        self.rights = _READ_FILE | (_READ_DIR if list_folders else 0) | (_WRITE_FILE if write else 0)


def version() -> int:
    """Version of this kernel's Landlock; 0 where it has none or was started without."""
    if _kernel.machine() is None:
        return 0
    with contextlib.suppress(OSError):
        return _kernel.call(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    return 0


def restrict(grants: Iterable[Grant]) -> int:
    """Confine this thread, and those that it starts, to the grants; returns the version whose rights hold.

    Nothing is executable, no folder can be changed, no TCP port bound or dialled, and no process outside signalled.
    Mapping a library's code is reading.

    Args:
        grants: what may be opened.

    Raises:
        OSError: the kernel refused.
    """
    abi = min(version(), _NEWEST)
    attributes = ctypes.create_string_buffer(_attributes(abi))
    ruleset = _kernel.call(_CREATE_RULESET, attributes, len(attributes.raw) - 1, 0)
    try:
        for grant in grants:
            _allow(ruleset, grant)
        _kernel.call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return abi


def _attributes(abi: int) -> bytes:
    files = _FIRST_FILE_RIGHTS
    files |= _RENAME_ACROSS if abi >= _RENAME_VERSION else 0
    files |= _TRUNCATE if abi >= _TRUNCATE_VERSION else 0
    files |= _IOCTL_DEVICE if abi >= _IOCTL_VERSION else 0
    words = [files]
    if abi >= _TCP_VERSION:
        words.append(_TCP_BIND | _TCP_CONNECT)
    if abi >= _SCOPES_VERSION:
        words.append(_ABSTRACT_SOCKETS | _SIGNALS)
    return struct.pack(f"={len(words)}Q", *words)


def _allow(ruleset: int, grant: Grant) -> None:
    try:
        descriptor = os.open(grant.path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        # What is not there, or not ours to see, cannot be granted: the worker goes without.
        return
    try:
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        rights = grant.rights if folder else grant.rights & ~_READ_DIR
        _kernel.call(
            _ADD_RULE, ruleset, _PATH_BENEATH, ctypes.create_string_buffer(struct.pack("=Qi", rights, descriptor)), 0
        )
    finally:
        os.close(descriptor)
