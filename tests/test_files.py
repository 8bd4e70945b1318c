"""Files are whole or not there: what a reader sees, whom a file is for, and what a failed write leaves."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness import files
from harness.errors import StorageError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_written_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    files.write(tmp_path / "a.bin", content)
    assert (tmp_path / "a.bin").read_bytes() == content
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.parametrize(("private", "expected"), [(True, 0o600), (False, 0o644)])
@pytest.mark.parametrize("umask", [0, 0o077])
def test_a_file_is_for_its_owner_unless_it_is_to_be_shared(
    tmp_path: Path, private: bool, expected: int, umask: int
) -> None:
    before = os.umask(umask)
    try:
        files.write(tmp_path / "a.txt", b"x", private=private)
    finally:
        os.umask(before)
    assert mode(tmp_path / "a.txt") == expected


def test_a_private_file_is_private_while_it_is_being_written(tmp_path: Path) -> None:
    with files.replacing(tmp_path / "a.txt", private=False) as stream:
        stream.write(b"x")
        (draft,) = tmp_path.iterdir()
        assert mode(draft) == 0o600


def test_a_file_is_private_even_where_a_shared_one_had_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    (tmp_path / "a.txt").chmod(0o666)
    files.write(tmp_path / "a.txt", b"new")
    assert mode(tmp_path / "a.txt") == 0o600


def write_half(path: Path, error: BaseException) -> None:
    with files.replacing(path) as stream:
        stream.write(b"half")
        raise error


@pytest.mark.parametrize("error", [ZeroDivisionError(), KeyboardInterrupt()])
def test_a_block_that_fails_leaves_the_old_file_and_its_own_error(tmp_path: Path, error: BaseException) -> None:
    files.write(tmp_path / "a.txt", b"old")
    with pytest.raises(type(error)):
        write_half(tmp_path / "a.txt", error)
    assert (tmp_path / "a.txt").read_bytes() == b"old"
    assert names(tmp_path) == ["a.txt"]


def test_readers_see_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path, contents = tmp_path / "a.bin", [bytes([k]) * 200_000 for k in range(2)]
    files.write(path, contents[0])
    stop, seen = threading.Event(), set()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(100):
        files.write(path, contents[number % 2])
    stop.set()
    reader.join()
    assert seen <= set(contents)


def test_a_folder_is_made_where_that_is_wanted(tmp_path: Path) -> None:
    files.write(tmp_path / "a" / "b" / "c.txt", b"x", parents=True)
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == b"x"
    with pytest.raises(StorageError, match=r"d/e\.txt: cannot be written: No such file or directory \(make room"):
        files.write(tmp_path / "d" / "e.txt", b"x")
    with pytest.raises(StorageError, match=r"c\.txt/e\.txt: cannot be written: (Not a directory|File exists)"):
        files.write(tmp_path / "a" / "b" / "c.txt" / "e.txt", b"x", parents=True)


# In a process of its own, because what it gives up cannot be taken back.
WITHOUT_ROOM = """
import resource, sys
from pathlib import Path
from harness import files
from harness.errors import StorageError

resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    files.write(Path(sys.argv[1]), b"x" * 100_000)
except StorageError as error:
    print(error)
    sys.exit(error.exit_code)
"""
WITHOUT_RIGHTS = """
import os, sys
from pathlib import Path
from harness import files
from harness.errors import StorageError

path = Path(sys.argv[1])
os.chdir(path.parent)
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    files.write(Path(path.name), b"new")
except StorageError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize(
    ("code", "reason"),
    [(WITHOUT_ROOM, "File too large"), (WITHOUT_RIGHTS, "Permission denied")],
    ids=["no room", "no rights"],
)
def test_a_write_that_fails_is_a_typed_error_with_its_path_and_leaves_nothing(
    tmp_path: Path, code: str, reason: str
) -> None:
    """A limit on file sizes stands in for a full disk, and another user for a folder that is read-only."""
    (tmp_path / "a.txt").write_text("old")
    tmp_path.chmod(0o555)
    asked = [sys.executable, "-c", code, str(tmp_path / "a.txt")]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
    finally:
        tmp_path.chmod(0o755)
    assert done.returncode == 3, done.stderr
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    assert f"a.txt: cannot be written: {reason}" in line
    assert "choose another folder" in line
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"
