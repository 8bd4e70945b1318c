"""Limits on the worker's memory, descriptors, threads and rights."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import struct
from collections.abc import Iterator
from pathlib import Path

from device_agent import telemetry
from device_agent.cage import _kernel

__all__ = ["MEMORY_BYTES_MIN", "default_memory_bytes", "drop_capabilities", "limit"]

# torch alone takes 300 MB of a limit; below this no runtime of any use starts.
MEMORY_BYTES_MIN = 512 * 2**20
_DESCRIPTORS_MAX = 256
# Threads that the worker may add to those that its user has already: pools of two runtimes on a large server.
_THREADS_MORE = 512
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION = 0x20080522
# A root agent reads files that belong to somebody else, as its own libraries may; Landlock says which.
_READ_AND_SEARCH = 1 << 2
_CGROUPS = Path("/sys/fs/cgroup")


def default_memory_bytes() -> int:
    """Half of the memory that is available now, and at least 512 MiB."""
    available = min([telemetry.memory_available_bytes() or 0, *_cgroup_limits_bytes()])
    return max(available // 2, MEMORY_BYTES_MIN)


def limit(memory_bytes: int) -> None:
    """Set the limits, soft and hard, so that nothing can raise them.

    Files have no limit of their own: the standard error that is inherited may be one.

    Args:
        memory_bytes: of the process's own writable memory; mapped files and libraries do not count.
    """
    limits = {
        resource.RLIMIT_DATA: memory_bytes,
        resource.RLIMIT_NOFILE: _DESCRIPTORS_MAX,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_SIGPENDING: _DESCRIPTORS_MAX,
    }
    if os.geteuid():
        limits[resource.RLIMIT_NPROC] = _threads_of_user() + _THREADS_MORE
    for kind, wanted in limits.items():
        hard = resource.getrlimit(kind)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (value, value))


def drop_capabilities() -> None:
    """Give up what root may beyond other users, such as raising limits; other users have nothing to give up."""
    machine = _kernel.machine()
    if os.geteuid() or machine is None:
        return
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION, 0))
    held = Path("/proc/self/status").read_text()
    permitted = int(next(line for line in held.splitlines() if line.startswith("CapPrm")).split()[1], 16)
    mask = permitted & _READ_AND_SEARCH
    # Effective, permitted and inheritable, the low halves before the high ones.
    _kernel.call(_CAPSET[machine], header, ctypes.create_string_buffer(struct.pack("=6I", mask, mask, 0, 0, 0, 0)))


def _cgroup_limits_bytes() -> Iterator[int]:
    """What a service or a container may take, which is less than the machine has."""
    with contextlib.suppress(OSError):
        # Empty where the kernel has no groups mounted, as on a phone without them.
        last = Path("/proc/self/cgroup").read_text().rstrip("\n").rpartition("\n")[2]
        place = last.rpartition(":")[2].strip("/")
        for folder in (_CGROUPS / place, *(_CGROUPS / place).parents):
            with contextlib.suppress(OSError, ValueError):  # there is no such limit, or it is "max"
                yield int((folder / "memory.max").read_text())


def _threads_of_user() -> int:
    user, threads = os.getuid(), 0
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and folder.stat().st_uid == user:
                threads += len(list((folder / "task").iterdir()))
        except OSError:
            # It ended meanwhile.
            continue
    return threads
