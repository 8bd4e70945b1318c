"""Memory that the allocator keeps: batches come and go, and fresh pages cost more than the copies into them."""

from __future__ import annotations

import ctypes

__all__ = ["keep_pages"]

# malloc.h of glibc.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8
# Blocks up to this size come from kept memory; glibc takes no larger threshold.
_KEPT_BYTES = 32 * 1024 * 1024
_TOP_PAD_BYTES = 4 * 1024 * 1024
# Each arena keeps pages of its own; two are enough for threads that mostly wait for each other.
_ARENAS = 2


def keep_pages() -> bool:
    """Have the C library keep freed memory up to a bound; whether it could.

    Filling a batch of 64 images into fresh pages takes six times as long as into kept ones. Other C libraries than
    glibc have no such switch.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = (
        (_M_MMAP_THRESHOLD, _KEPT_BYTES),
        (_M_TRIM_THRESHOLD, _KEPT_BYTES),
        (_M_TOP_PAD, _TOP_PAD_BYTES),
        (_M_ARENA_MAX, _ARENAS),
    )
    return all(mallopt(ctypes.c_int(name), ctypes.c_int(value)) for name, value in settings)
