"""A bundle from nothing: the folder is filled part by part, checked, compiled, described and packed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.bundle import _agent, _manifest, _python, _wheels
from harness.bundle._archive import write_archive
from harness.bundle._bytecode import compile_all, native
from harness.bundle._contents import Architecture
from harness.bundle._libraries import put_libraries
from harness.bundle._shim import put_shim
from harness.bundle._tree import Tree
from harness.bundle._trial import try_bundle

__all__ = ["ARCHIVE", "FOLDER", "Inputs", "gather", "make"]

# Names in the folder of a bundle.
FOLDER, ARCHIVE = "bundle", "bundle.tar.gz"


@dataclass(frozen=True)
class Inputs:
    """What a bundle is made of, fetched.

    Args:
        agent: what is taken of the project's own wheel.
        debian: Debian's files.
        wheels: of the package index.
    """

    agent: list[tuple[str, bytes]]
    debian: _python.DebianFiles
    wheels: list[_wheels.Fetched]


def make(arch: Architecture, folder: Path, *, wheel: Path | None, say: Callable[[str], None]) -> None:
    """Make a bundle: ``bundle/`` and ``bundle.tar.gz`` in a folder.

    Args:
        arch: that it is for.
        folder: empty, and for this alone.
        wheel: the project's; None for this one's own.
        say: is told what happens.

    Raises:
        EdgeleakError: something cannot be fetched or made; the message says what to do.
        OSError: there is no room.
    """
    own = native()
    scratch = folder / "scratch"
    scratch.mkdir()
    inputs = gather(arch, scratch, wheel=wheel, say=say)
    tree = Tree(folder / FOLDER)
    say("filling the folder")
    for path, content in inputs.agent:
        tree.put(f"site/{path}", content, "agent")
    rows = [_wheels.put_wheel(tree, fetched) for fetched in inputs.wheels]
    _python.put_python(tree, arch, inputs.debian)
    say("compiling ExecuTorch's shim")
    agent = Tree(scratch / "agent")
    for path, content in inputs.agent:
        agent.put(path, content, "agent")
    rows.append(put_shim(tree, arch, agent.folder, scratch))
    libraries = put_libraries(tree, arch, inputs.debian.libraries)
    packages = _python.owners_in(tree, inputs.debian, libraries)
    _manifest.put_debian_licences(tree, inputs.debian, packages)
    say("compiling bytecode")
    compile_all(tree, arch, scratch, say)
    try_bundle(tree.folder, arch, own)
    manifest = _manifest.make_manifest(
        tree, arch, agent=inputs.agent, debian=inputs.debian, packages=packages, wheels=rows
    )
    (tree.folder / _manifest.MANIFEST).write_bytes(_manifest.as_text(manifest))
    say("packing it")
    write_archive(tree.folder, folder / ARCHIVE)
    with (folder / ARCHIVE).open("rb") as stream:
        os.fsync(stream.fileno())
    shutil.rmtree(scratch)


def gather(arch: Architecture, scratch: Path, *, wheel: Path | None, say: Callable[[str], None]) -> Inputs:
    """Fetch all that a bundle is made of but ExecuTorch.

    Args:
        arch: that it is for.
        scratch: where it goes.
        wheel: the project's; None for this one's own.
        say: is told what happens.

    Raises:
        EdgeleakError: something cannot be fetched; the message says what to do.
    """
    say("making this project's wheel" if wheel is None else f"reading {wheel}")
    agent = _agent.files_of(_agent.own_wheel(wheel, scratch / "own"))
    say(f"fetching CPython and the C library for {arch.name} from Debian")
    packages = scratch / "debian"
    packages.mkdir()
    debian = _python.fetch(arch, packages)
    say(f"fetching wheels for {arch.name}")
    return Inputs(agent, debian, _wheels.fetch(arch, scratch / "wheels"))
