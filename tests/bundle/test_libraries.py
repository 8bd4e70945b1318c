"""A bundle gets the libraries that its files need, no others, and only ones that fit."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.bundle._contents import ARCHITECTURES, Architecture
from harness.bundle._elf import read_elf
from harness.bundle._libraries import Library, put_libraries
from harness.bundle._tree import Tree
from harness.errors import EdgeleakError


@pytest.fixture(scope="module")
def arch() -> Architecture:
    elf = read_elf(Path(sys.executable).resolve().read_bytes())
    assert elf is not None
    return next(known for known in ARCHITECTURES.values() if known.elf == elf.machine)


@pytest.fixture(scope="module")
def available() -> dict[str, Library]:
    """What this process has loaded, by name."""
    import ctypes as ctypes  # maps libffi, too

    mapped = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if ".so" in line}
    found = {}
    for name in sorted(mapped):
        content = Path(name).read_bytes()
        elf = read_elf(content)
        if elf is not None and elf.soname and "site-packages" not in name:
            found[elf.soname] = Library(content, "this machine's")
    return found


def tree_of(folder: Path) -> Tree:
    """With one program that needs the C library: this interpreter."""
    folder.mkdir()
    tree = Tree(folder)
    tree.put("py/bin/python", Path(sys.executable).resolve().read_bytes(), "python", executable=True)
    return tree


def test_what_a_file_of_elf_says_about_itself_is_read(available: dict[str, Library]) -> None:
    libc = read_elf(available["libc.so.6"].content)
    assert libc is not None
    assert libc.soname == "libc.so.6"
    assert "GLIBC_2.17" in libc.versions
    assert any(name.startswith("ld-linux") for name in libc.needed)


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF\x01\x01" + bytes(80)])
def test_what_is_no_file_of_elf_is_told(content: bytes) -> None:
    assert read_elf(content) is None


def test_the_libraries_that_files_need_come_and_no_others(
    tmp_path: Path, arch: Architecture, available: dict[str, Library]
) -> None:
    tree = tree_of(tmp_path / "bundle")
    unneeded = {**available, "libunneeded.so.1": available["libm.so.6"]}
    taken = put_libraries(tree, arch, unneeded)
    assert {"libc.so.6", arch.loader} <= set(taken)
    assert "libunneeded.so.1" not in taken
    assert {f"lib/{name}" for name in taken} == {path for path in tree.paths if path.startswith("lib/")}
    assert (tree.folder / "lib" / arch.loader).stat().st_mode & 0o111


def test_a_library_that_no_package_has_is_named(
    tmp_path: Path, arch: Architecture, available: dict[str, Library]
) -> None:
    without = {name: library for name, library in available.items() if name != "libm.so.6"}
    with pytest.raises(EdgeleakError, match=r"needs libm\.so\.6"):
        put_libraries(tree_of(tmp_path / "bundle"), arch, without)


def test_a_library_that_is_too_old_is_named_with_the_version(
    tmp_path: Path, arch: Architecture, available: dict[str, Library]
) -> None:
    taken = [read_elf(available[name].content) for name in put_libraries(tree_of(tmp_path / "fits"), arch, available)]
    newest = max(version for elf in taken if elf for version in elf.needed_versions.get("libm.so.6", ()))
    # Defined under another name, of the same length.
    content = available["libm.so.6"].content.replace(newest.encode() + b"\0", newest[:-1].encode() + b"x\0")
    renamed = {**available, "libm.so.6": Library(content, "old")}
    with pytest.raises(EdgeleakError, match=rf"{newest}, which libm\.so\.6 is too old for"):
        put_libraries(tree_of(tmp_path / "bundle"), arch, renamed)


def test_a_file_of_another_machine_is_refused(
    tmp_path: Path, arch: Architecture, available: dict[str, Library]
) -> None:
    other = next(known for known in ARCHITECTURES.values() if known != arch)
    with pytest.raises(EdgeleakError, match=f"is not for {other.name}"):
        put_libraries(tree_of(tmp_path / "bundle"), other, available)


@pytest.mark.parametrize("path", ["../out", "/etc/passwd", "a/../../b", ""])
def test_no_file_goes_outside_the_bundle(tmp_path: Path, path: str) -> None:
    with pytest.raises(EdgeleakError, match="outside the bundle"):
        Tree(tmp_path).put(path, b"", "numpy")
