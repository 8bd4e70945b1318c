"""Which files the runtimes need: their own libraries, and what the kernel says about this machine."""

from __future__ import annotations

import site
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import device_agent
import protos
from device_agent.cage._landlock import Grant
from device_agent.runtimes.executorch import find

__all__ = ["grants"]

# What libraries look up to choose kernels, threads and pages. None of it tells one user from another.
_MACHINE = (
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/sys/bus/pci/devices",
    "/sys/kernel/mm/transparent_hugepage",
    "/sys/fs/cgroup",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/usr/lib/locale",
    "/dev/urandom",
)
# An entry of the import path with one of these is somebody's source tree: the rest of it is not the worker's to read.
_SOURCE_TREE = ("pyproject.toml", ".git")


def grants(readable: Path) -> list[Grant]:
    """What the worker may open.

    Args:
        readable: the folder of artifacts: files in it may be read by name, its names not listed.
    """
    libraries = {*_import_folders(), *_mapped_library_folders(), *_shim_folder()}
    return [
        *(Grant(path) for path in sorted(libraries)),
        *(Grant(Path(name)) for name in _MACHINE),
        Grant(Path("/dev/null"), write=True),
        Grant(readable, list_folders=False),
    ]


def _import_folders() -> Iterator[Path]:
    installed = {Path(p) for p in (*sysconfig.get_paths().values(), *site.getsitepackages())}
    for package in (device_agent, protos):
        yield from map(Path, package.__path__)
    for entry in map(Path, filter(None, sys.path)):
        if entry in installed or not any((entry / name).exists() for name in _SOURCE_TREE):
            yield entry


def _shim_folder() -> Iterator[Path]:
    """Where the shim of ExecuTorch lies, with the libraries that it is linked to."""
    shim = find()
    if shim is not None and shim.path.is_file():
        yield shim.path.resolve().parent


def _mapped_library_folders() -> Iterator[Path]:
    """Where the C library and its like lie: beside what is mapped already."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        name = line.split(maxsplit=5)[-1]
        if name.startswith("/") and ".so" in name:
            yield Path(name).parent
