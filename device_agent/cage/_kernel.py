"""System calls by number, for those that the C library has no function for."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

__all__ = ["call", "machine", "prctl"]

_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
_POINTER_BYTES = 8


def machine() -> str | None:
    """``x86_64`` or ``aarch64``; None on every other system, and in 32-bit programs."""
    if not sys.platform.startswith("linux") or struct.calcsize("P") != _POINTER_BYTES:
        return None
    return _MACHINES.get(platform.machine().lower())


def call(number: int, *arguments: int | ctypes.Array[ctypes.c_char] | None) -> int:
    """One system call.

    Args:
        number: of the call on this machine.
        arguments: whole numbers, buffers, or None for a null pointer.

    Raises:
        OSError: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    result = int(libc.syscall(ctypes.c_long(number), *map(_word, arguments)))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def prctl(option: int, value: int = 0) -> int:
    """One operation on the own process.

    Raises:
        OSError: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.prctl(ctypes.c_int(option), *(ctypes.c_ulong(v) for v in (value, 0, 0, 0))))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def _word(argument: int | ctypes.Array[ctypes.c_char] | None) -> ctypes.c_long | ctypes.Array[ctypes.c_char] | None:
    return ctypes.c_long(argument) if isinstance(argument, int) else argument
