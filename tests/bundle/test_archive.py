"""An archive's bytes follow from its files alone, and small unpackers can read it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from harness.bundle._archive import write_archive

FILES = {"run": b"#!/bin/sh\n", "lib/libc.so.6": b"\x7fELF...", "site/a/b/c.py": b"x = 1\n", "site/a/z.py": b""}


def folder_of(place: Path, names: list[str], *, date: float, mask: int) -> Path:
    before = os.umask(mask)
    try:
        for name in names:
            file = place / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(FILES[name])
            if name == "run":
                file.chmod(file.stat().st_mode | 0o100)
            os.utime(file, (date, date))
    finally:
        os.umask(before)
    return place


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    one = folder_of(tmp_path / "one", sorted(FILES), date=1e9, mask=0o022)
    other = folder_of(tmp_path / "other", sorted(FILES, reverse=True), date=1.5e9, mask=0o077)
    write_archive(one, tmp_path / "one.tar.gz")
    write_archive(other, tmp_path / "other, renamed.tar.gz")
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "other, renamed.tar.gz").read_bytes()


def test_another_byte_or_mode_gives_another_archive(tmp_path: Path) -> None:
    one = folder_of(tmp_path / "one", sorted(FILES), date=1e9, mask=0o022)
    archives = []
    for change in (lambda: None, lambda: (one / "site/a/z.py").write_bytes(b"1"), lambda: (one / "run").chmod(0o644)):
        change()
        write_archive(one, tmp_path / "a.tar.gz")
        archives.append((tmp_path / "a.tar.gz").read_bytes())
    assert len(set(archives)) == 3


def test_its_entries_are_root_s_sorted_and_of_one_date(tmp_path: Path) -> None:
    write_archive(folder_of(tmp_path / "one", sorted(FILES), date=1e9, mask=0o077), tmp_path / "a.tar.gz")
    with tarfile.open(tmp_path / "a.tar.gz") as archive:
        entries = archive.getmembers()
    assert [entry.name for entry in entries] == sorted(entry.name for entry in entries)
    assert {(entry.uid, entry.gid, entry.mtime) for entry in entries} == {(0, 0, 315532800)}
    assert {entry.name: entry.mode for entry in entries if entry.isfile()} == {
        "run": 0o755, "lib/libc.so.6": 0o644, "site/a/b/c.py": 0o644, "site/a/z.py": 0o644,
    }  # fmt: skip


@pytest.mark.parametrize("unpacker", [["tar"], ["busybox", "tar"]], ids=["tar", "busybox"])
def test_tar_unpacks_it(tmp_path: Path, unpacker: list[str]) -> None:
    if shutil.which(unpacker[0]) is None:
        pytest.skip(f"{unpacker[0]} is not installed")
    write_archive(folder_of(tmp_path / "one", sorted(FILES), date=1e9, mask=0o022), tmp_path / "a.tar.gz")
    (tmp_path / "out").mkdir()
    done = subprocess.run(
        [*unpacker, "-xzf", str(tmp_path / "a.tar.gz"), "-C", str(tmp_path / "out")], capture_output=True, check=True
    )
    assert not done.stderr
    unpacked = {
        str(file.relative_to(tmp_path / "out")): file for file in (tmp_path / "out").rglob("*") if file.is_file()
    }
    assert {name: file.read_bytes() for name, file in unpacked.items()} == FILES
    assert os.access(unpacked["run"], os.X_OK)
