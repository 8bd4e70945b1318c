"""Bundles in the cache: a whole one is taken at once, a half one never, and a failure leaves nothing behind."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.bundle import cached_bundle, found_bundle, make_bundle, sizes_of
from harness.bundle._archive import write_archive
from harness.bundle._bundle import key_of
from harness.bundle._tree import digest_of
from harness.cache import cache_dir, locked, room_for
from harness.errors import DependencyError, EdgeleakError, StorageError, UsageError

FILES = {"run": b"#!/bin/sh\n", "site/device_agent/cli.py": b"x = 1\n", "lib/libc.so.6": b"\x7fELF" * 100}
PARTS = {"run": "python", "site/device_agent/cli.py": "agent", "lib/libc.so.6": "libs"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGELEAK_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """The least that is a wheel of this project."""
    file = tmp_path / "edgeleak-9.9-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("device_agent/cli.py", "")
        archive.writestr("edgeleak-9.9.dist-info/METADATA", "Name: edgeleak\nVersion: 9.9\n")
    return file


def place_of(arch: str, wheel: Path | None = None) -> Path:
    """A whole bundle of few files, where the real one would lie."""
    place = cache_dir() / "bundles" / key_of(arch, wheel)
    for path, content in FILES.items():
        file = place / "bundle" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    files = {path: {"sha256": digest_of(c), "size": len(c), "part": PARTS[path]} for path, c in FILES.items()}
    (place / "bundle/manifest.json").write_text(json.dumps({"version": "9.9", "files": files}))
    write_archive(place / "bundle", place / "bundle.tar.gz")
    (place / "digest").write_text(digest_of((place / "bundle.tar.gz").read_bytes()))
    return place


def test_a_whole_bundle_is_taken_from_the_cache() -> None:
    place = place_of("arm64")
    bundle = cached_bundle("arm64")
    assert bundle == found_bundle("arm64")
    assert (bundle.folder, bundle.archive) == (place / "bundle", place / "bundle.tar.gz")
    assert bundle.digest == digest_of(bundle.archive.read_bytes())
    assert bundle.manifest["version"] == "9.9"


def test_bundles_of_other_architectures_and_wheels_are_others(wheel: Path) -> None:
    place_of("arm64")
    assert found_bundle("x86_64") is None
    assert len({key_of("arm64"), key_of("x86_64"), key_of("arm64", wheel), key_of("x86_64", wheel)}) == 4


def cut(place: Path) -> None:
    archive = place / "bundle.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-1])


DAMAGE: dict[str, Callable[[Path], object]] = {
    "archive cut": cut,
    "archive gone": lambda place: (place / "bundle.tar.gz").unlink(),
    "mark gone": lambda place: (place / "digest").unlink(),
    "file gone": lambda place: (place / "bundle/lib/libc.so.6").unlink(),
    "manifest cut": lambda place: (place / "bundle/manifest.json").write_text('{"version":'),
    "folder gone": lambda place: shutil.rmtree(place / "bundle"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_half_made_bundle_is_never_taken(damage: str) -> None:
    DAMAGE[damage](place_of("arm64"))
    assert found_bundle("arm64") is None


def test_a_copy_is_whole_and_goes_into_an_empty_folder_alone(tmp_path: Path, wheel: Path) -> None:
    place_of("arm64", wheel)
    bundle = make_bundle("arm64", wheel=wheel, out=tmp_path / "out")
    assert bundle.folder == tmp_path / "out/edgeleak-agent-9.9-arm64"
    assert {path: (bundle.folder / path).read_bytes() for path in FILES} == FILES
    assert digest_of(bundle.archive.read_bytes()) == bundle.digest
    with pytest.raises(UsageError, match="is not an empty folder"):
        make_bundle("arm64", wheel=wheel, out=tmp_path / "out")


def test_a_machine_without_apt_is_told_so_and_nothing_is_left(
    cache: Path, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("EDGELEAK_DEBIAN_SOURCE", raising=False)
    with pytest.raises(DependencyError, match="not on this machine"):
        make_bundle("arm64", wheel=wheel)
    assert [path.name for path in (cache / "bundles").iterdir()] == [".lock"]


def test_a_bundle_that_cannot_be_made_anew_stays(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = place_of("arm64", wheel)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("EDGELEAK_DEBIAN_SOURCE", raising=False)
    with pytest.raises(DependencyError):
        make_bundle("arm64", wheel=wheel, fresh=True)
    assert (place / "digest").is_file()
    assert make_bundle("arm64", wheel=wheel).folder == place / "bundle"


def test_a_source_of_packages_that_cannot_be_reached_is_named(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("apt-get") is None:
        pytest.skip("apt-get is not installed")
    # A port of this machine at which nothing listens.
    monkeypatch.setenv("EDGELEAK_DEBIAN_SOURCE", "deb [trusted=yes] http://127.0.0.1:9/debian bookworm main")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(EdgeleakError, match=r"127\.0\.0\.1:9.*cannot be fetched"):
        make_bundle("arm64", wheel=wheel)


def test_what_a_killed_process_left_goes_when_a_bundle_is_made(
    cache: Path, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    abandoned = cache / "bundles/.part-abandoned/bundle"
    abandoned.mkdir(parents=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("EDGELEAK_DEBIAN_SOURCE", raising=False)
    with pytest.raises(EdgeleakError):
        make_bundle("x86_64", wheel=wheel)
    assert not abandoned.exists()


def test_a_full_disk_is_one_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"No space left.*EDGELEAK_CACHE_DIR"), room_for(tmp_path):
        Path("/dev/full").write_bytes(b"x" * 10_000)


def test_a_cache_that_cannot_be_made_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be written"), locked(tmp_path / "file" / "bundles"):
        pytest.fail("nothing is locked")


def test_sizes_count_every_file_under_its_part() -> None:
    place_of("arm64")
    bundle = cached_bundle("arm64")
    sizes = sizes_of(bundle)
    assert {part.name: part.raw_bytes for part in sizes.parts if part.files} == {
        part: len(FILES[path]) for path, part in PARTS.items()
    }
    assert sizes.raw_bytes == sum(map(len, FILES.values()))
    assert sizes.gzip_bytes == bundle.archive.stat().st_size
    assert sizes.zstd_bytes is not None
    assert sizes_of(bundle) == sizes
