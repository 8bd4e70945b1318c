"""The archives that the kernel unpacks: read back by cpio, and the same bytes whatever the order of the entries."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.emulator import _cpio

ENTRIES = {
    "a/b/c": _cpio.file(b"odd", permissions=0o755),
    "a-b": _cpio.file(b""),
    "a/z": _cpio.link("b/c"),
    "empty": _cpio.directory(permissions=0o700),
    "name with spaces and ü": _cpio.file(bytes(range(256))),
}


def packed(entries: dict[str, _cpio.Entry]) -> bytes:
    stream = io.BytesIO()
    _cpio.write(stream, entries)
    return stream.getvalue()


@pytest.mark.skipif(shutil.which("cpio") is None, reason="cpio, which reads the archive back, is not installed")
def test_cpio_unpacks_what_was_packed(tmp_path: Path) -> None:
    command = ["cpio", "--extract", "--quiet", "--preserve-modification-time", "--no-absolute-filenames"]
    subprocess.run(command, cwd=tmp_path, input=packed(ENTRIES), check=True)
    assert (tmp_path / "a/z").read_bytes() == b"odd"
    assert (tmp_path / "a/b/c").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "a-b").read_bytes() == b""
    assert (tmp_path / "empty").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "name with spaces and ü").read_bytes() == bytes(range(256))
    assert (tmp_path / "a/b/c").stat().st_mtime == 0


@given(st.permutations(sorted(ENTRIES)), st.integers(0, 4))
def test_the_order_of_the_entries_does_not_change_a_byte(names: list[str], left_out: int) -> None:
    kept = names[: len(names) - left_out]
    shuffled = packed({name: ENTRIES[name] for name in kept})
    assert shuffled == packed({name: ENTRIES[name] for name in sorted(kept)})
    assert len(shuffled) % 512 == 0
