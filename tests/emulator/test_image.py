"""The image in the cache: made of packages alone, once, whole or not there, and the same the second time."""

from __future__ import annotations

import json
import lzma
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness import debian, emulator
from harness.errors import EdgeleakError
from tests.debian.repository import NEEDS_APT, Package, make

pytestmark = NEEDS_APT

MODULES = ("kernel/net/core/failover", "kernel/drivers/net/net_failover", "kernel/drivers/net/virtio_net")
ADBD = Package("adbd", {"usr/lib/android-sdk/platform-tools/adbd": b"adbd", "usr/share/doc/adbd/NEWS": b"not kept"})
BUSYBOX = Package("busybox-static", {"usr/bin/busybox": b"busybox"})
META = Package("linux-image-cloud-arm64", depends="linux-image-6.1-cloud-arm64")
KERNEL = Package(
    "linux-image-6.1-cloud-arm64",
    {
        "boot/vmlinuz-6.1-cloud-arm64": b"kernel",
        "usr/lib/modules/6.1/kernel/fs/ext4.ko.xz": lzma.compress(b"not kept"),
        **{f"usr/lib/modules/6.1/{name}.ko.xz": lzma.compress(name.encode()) for name in MODULES},
    },
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGELEAK_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def source(folder: Path, monkeypatch: pytest.MonkeyPatch, *packages: Package) -> None:
    monkeypatch.setenv(debian.SOURCE_VARIABLE, f"deb [trusted=yes] {make(folder, list(packages))} trixie main")


def made() -> emulator.Image:
    return emulator.image(lambda _: None)


def left(cache: Path) -> list[str]:
    return [path.name for path in (cache / "emulator/images").iterdir() if path.name != ".lock"]


def test_a_second_image_of_the_same_packages_has_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    source(tmp_path / "repository", monkeypatch, ADBD, BUSYBOX, META, KERNEL)
    first = made()
    content = first.initramfs.read_bytes()
    assert first.kernel.read_bytes() == b"kernel"
    assert b"kernel/drivers/net/virtio_net" in content
    assert b"not kept" not in content
    manifest = json.loads((first.folder / "manifest.json").read_text())
    assert manifest["kernel"] == "6.1-cloud-arm64"
    assert sorted(manifest["packages"]) == [
        "adbd_1.0_arm64.deb",
        "busybox-static_1.0_arm64.deb",
        "linux-image-6.1-cloud-arm64_1.0_arm64.deb",
    ]
    monkeypatch.setenv("EDGELEAK_CACHE_DIR", str(tmp_path / "another"))
    assert made().initramfs.read_bytes() == content
    assert left(cache) == [first.folder.name]


def test_what_cannot_be_made_leaves_nothing_and_what_was_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    source(tmp_path / "lacking", monkeypatch, ADBD, BUSYBOX, META, Package(KERNEL.name))
    abandoned = cache / "emulator/images/.part-of-a-killed-process"
    abandoned.mkdir(parents=True)
    with pytest.raises(EdgeleakError, match=r"hold no failover\.ko"):
        made()
    assert left(cache) == []
    assert emulator.cached() is None
    source(tmp_path / "whole", monkeypatch, ADBD, BUSYBOX, META, KERNEL)
    whole = made()
    assert emulator.cached() == whole
    assert left(cache) == [whole.folder.name]


def test_two_at_once_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    source(tmp_path / "repository", monkeypatch, ADBD, BUSYBOX, META, KERNEL)
    said: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: emulator.image(said.append), range(2))
    assert first == second
    assert len([text for text in said if text.startswith("fetching")]) == 1
    assert left(cache) == [first.folder.name]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("EDGELEAK_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(EdgeleakError, match=r"file/emulator/images: cannot be written: Not a directory"):
        made()
