"""The libraries of C that a bundle needs: no more than those, and none that the machine would have to have."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from harness.bundle._contents import Architecture
from harness.bundle._elf import Elf, read_elf
from harness.bundle._tree import Tree
from harness.errors import EdgeleakError

__all__ = ["Library", "put_libraries"]

_PLACE = "lib/"
_HINT = "these versions do not go together: update edgeleak, or make the bundle with another --wheel"


@dataclass(frozen=True)
class Library:
    """A library of a package.

    Args:
        content: all of it.
        package: its name.
    """

    content: bytes
    package: str


def put_libraries(tree: Tree, arch: Architecture, available: Mapping[str, Library]) -> list[str]:
    """Put the libraries that anything in the folder needs into its ``lib``, and the loader.

    Args:
        tree: with everything else in it.
        arch: that everything has to be for.
        available: by the name under which others need them.

    Returns:
        The names of those that were taken, sorted.

    Raises:
        EdgeleakError: a file is for another machine, or needs a library or a version of one that is not there.
    """
    own: dict[str, Elf] = {}
    for path in tree.paths:
        elf = _read(tree.read(path), path, arch)
        if elf is not None:
            own[path] = elf
    beside = {posixpath.basename(path) for path in own} | {elf.soname for elf in own.values()}
    # The loader is needed by all, though some do not say so.
    wanted = [("run", arch.loader), *((path, name) for path, elf in own.items() for name in elf.needed)]
    taken: dict[str, Elf] = {}
    while wanted:
        path, name = wanted.pop()
        if name in taken or name in beside:
            continue
        library = available.get(name)
        if library is None:
            raise EdgeleakError(f"{path} needs {name}, which none of the packages has", hint=_HINT)
        elf = _read(library.content, name, arch)
        if elf is None:
            raise EdgeleakError(f"{name} of {library.package} is no library", hint=_HINT)
        tree.put(_PLACE + name, library.content, "libs", executable=name == arch.loader)
        taken[name] = elf
        wanted.extend((name, needed) for needed in elf.needed)
    for path, elf in (*own.items(), *taken.items()):
        _check_versions(path, elf, taken)
    return sorted(taken)


def _read(content: bytes, path: str, arch: Architecture) -> Elf | None:
    elf = read_elf(content)
    if elf is not None and elf.machine != arch.elf:
        raise EdgeleakError(
            f"{path} is not for {arch.name}", hint="remove its package from pip's cache and run it again"
        )
    return elf


def _check_versions(path: str, elf: Elf, libraries: Mapping[str, Elf]) -> None:
    for name, versions in elf.needed_versions.items():
        if name in libraries and (lacking := versions - libraries[name].versions):
            raise EdgeleakError(f"{path} needs {', '.join(sorted(lacking))}, which {name} is too old for", hint=_HINT)
