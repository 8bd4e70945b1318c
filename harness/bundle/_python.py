"""CPython and the libraries of C, out of Debian's packages: what a bundle takes of them, and whose each file is."""

from __future__ import annotations

import hashlib
import posixpath
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness import debian
from harness.bundle._contents import DEBIAN_PACKAGES, PYTHON, SUITE, Architecture, of_standard_library
from harness.bundle._elf import MAGIC, read_elf
from harness.bundle._libraries import Library
from harness.bundle._scripts import RUN, run_script
from harness.bundle._tree import Tree
from harness.errors import EdgeleakError

__all__ = ["DebianFiles", "DebianPackage", "fetch", "owners_in", "put_python", "sort"]

_STDLIB = f"usr/lib/python{PYTHON}/"
_PROGRAM = f"usr/bin/python{PYTHON}"
_DOC = "usr/share/doc/"
_FIELDS = "${Package}\t${Version}\t${source:Package}\t${source:Version}"
_SHOW_SECONDS = 30.0


@dataclass(frozen=True)
class DebianPackage:
    """One package.

    Args:
        name: of the package.
        version: of the package.
        source: name and version of its source.
        file: name of its file.
        sha256: of its file.
    """

    name: str
    version: str
    source: str
    file: str
    sha256: str


@dataclass
class DebianFiles:
    """What packages hold, sorted by what it is.

    Args:
        packages: by name.
        program: the interpreter.
        modules: path below the standard library's folder -> content.
        owners: path of a module, or the program's -> name of its package.
        libraries: by the name under which others need them.
        copyrights: package -> its copyright file.
    """

    packages: dict[str, DebianPackage] = field(default_factory=dict)
    program: bytes = b""
    modules: dict[str, bytes] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    libraries: dict[str, Library] = field(default_factory=dict)
    copyrights: dict[str, bytes] = field(default_factory=dict)


def fetch(arch: Architecture, folder: Path) -> DebianFiles:
    """Fetch Debian's packages of CPython for an architecture and sort what they hold.

    Args:
        arch: of the packages.
        folder: empty, and for this alone.

    Raises:
        EdgeleakError: they cannot be fetched; see `harness.debian.download`.
    """
    files = debian.download(DEBIAN_PACKAGES, suite=SUITE, architecture=arch.debian, folder=folder)
    return sort((_described(file), debian.members(file)) for file in files)


def sort(packages: Iterable[tuple[DebianPackage, Iterable[debian.Member]]]) -> DebianFiles:
    """Sort what packages hold.

    Args:
        packages: each with its files.

    Raises:
        EdgeleakError: there is no interpreter among them.
    """
    found, links = DebianFiles(), dict[str, str]()
    for package, members in packages:
        found.packages[package.name] = package
        for member in members:
            if member.link is not None:
                links[member.path] = posixpath.normpath(posixpath.join(posixpath.dirname(member.path), member.link))
                if member.path.startswith(_STDLIB):
                    found.owners[member.path.removeprefix(_STDLIB)] = package.name
            elif member.content is not None:
                _take(found, package.name, member.path, member.content)
    for path, target in links.items():
        if path.startswith(_STDLIB) and (module := found.modules.get(target.removeprefix(_STDLIB))) is not None:
            found.modules[path.removeprefix(_STDLIB)] = module
        name = path.removeprefix(_DOC)
        if path.startswith(_DOC) and (text := found.copyrights.get(target.removeprefix(_DOC))) is not None:
            found.copyrights[name] = text
    if not found.program or "os.py" not in found.modules:
        raise EdgeleakError(
            f"Debian's packages hold no CPython {PYTHON}", hint=f"check that the source of apt has {SUITE}"
        )
    return found


def put_python(tree: Tree, arch: Architecture, files: DebianFiles) -> None:
    """Put the interpreter, its standard library and the program that starts it into a folder.

    Args:
        tree: the folder.
        arch: of the interpreter.
        files: of Debian.
    """
    tree.put(f"py/bin/python{PYTHON}", files.program, "python", executable=True)
    for path, content in files.modules.items():
        if of_standard_library(path):
            tree.put(f"py/lib/python{PYTHON}/{path}", content, "python")
    tree.put(RUN, run_script(arch), "python", executable=True)


def owners_in(tree: Tree, files: DebianFiles, libraries: Sequence[str]) -> list[str]:
    """Names of the packages that something in the folder comes from, sorted.

    Args:
        tree: the folder.
        files: of Debian.
        libraries: names of those that were taken.
    """
    below = f"py/lib/python{PYTHON}/"
    taken = {files.owners[_PROGRAM], *(files.libraries[name].package for name in libraries)}
    for path in tree.paths:
        module = path.removeprefix(below)
        if path.startswith(below) and module in files.owners:
            taken.add(files.owners[module])
    return sorted(taken)


def _take(found: DebianFiles, package: str, path: str, content: bytes) -> None:
    if path == _PROGRAM:
        found.program = content
        found.owners[path] = package
    elif path.startswith(_STDLIB):
        found.modules[path.removeprefix(_STDLIB)] = content
        found.owners[path.removeprefix(_STDLIB)] = package
    elif path.startswith(_DOC) and path.endswith("/copyright"):
        found.copyrights[path.removeprefix(_DOC).removesuffix("/copyright")] = content
    elif content.startswith(MAGIC) and ".so" in path and path.count("/") <= 3 and (elf := read_elf(content)):
        found.libraries[elf.soname or posixpath.basename(path)] = Library(content, package)


def _described(file: Path) -> DebianPackage:
    done = subprocess.run(
        ["dpkg-deb", "--show", f"--showformat={_FIELDS}", str(file)],
        capture_output=True,
        timeout=_SHOW_SECONDS,
        check=False,
    )
    fields = done.stdout.decode(errors="replace").split("\t")
    if done.returncode or len(fields) != 4:
        raise EdgeleakError(f"{file}: is no package of Debian", hint="run it again")
    name, version, source, source_version = fields
    return DebianPackage(
        name, version, f"{source} {source_version}", file.name, hashlib.sha256(file.read_bytes()).hexdigest()
    )
