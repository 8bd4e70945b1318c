"""The phone's image in the cache: made once, whole or not there, and the same whenever the packages are."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness import debian
from harness.cache import cache_dir, locked, room_for
from harness.emulator import _cpio, _guest

__all__ = ["Image", "Say", "cached", "image", "root"]

Say = Callable[[str], None]
_PART = ".part-"


@dataclass(frozen=True)
class Image:
    """A kernel and a first file system.

    Args:
        folder: that holds them, and ``manifest.json``.
    """

    folder: Path

    @property
    def kernel(self) -> Path:
        """As qemu loads it."""
        return self.folder / "vmlinuz"

    @property
    def initramfs(self) -> Path:
        """A cpio archive, not compressed: unpacking costs an emulated processor more than reading."""
        return self.folder / "initramfs.cpio"


def root() -> Path:
    """The emulator's folder in the cache; it may not exist yet."""
    return cache_dir() / "emulator"


def cached() -> Image | None:
    """The image, where it has been made."""
    found = _place()
    return found if found.folder.is_dir() else None


def image(say: Say) -> Image:
    """The image, made where it is not there yet; a second process waits for the first.

    Args:
        say: is told what happens.

    Raises:
        EdgeleakError: it cannot be made; see `harness.debian.download`.
    """
    if found := cached():
        return found
    images = root() / "images"
    with locked(images):
        if found := cached():
            return found
        for abandoned in images.glob(f"{_PART}*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        part = Path(tempfile.mkdtemp(prefix=_PART, dir=images))
        try:
            with room_for(images):
                whole = _make(part, say)
                whole.rename(_place().folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return _place()


def _place() -> Image:
    about = f"{_guest.RECIPE} {_guest.SUITE} {_guest.ARCHITECTURE}"
    return Image(root() / "images" / hashlib.sha256(about.encode()).hexdigest()[:16])


def _make(part: Path, say: Say) -> Path:
    packages, whole = part / "packages", part / "image"
    packages.mkdir()
    whole.mkdir()
    say(f"fetching Debian {_guest.SUITE} packages for {_guest.ARCHITECTURE}")
    files = debian.download(
        _guest.PACKAGES,
        alone=_guest.ALONE,
        suite=_guest.SUITE,
        architecture=_guest.ARCHITECTURE,
        folder=packages,
    )
    say(f"making the image of {len(files)} packages")
    made = Image(whole)
    guest = _guest.contents(member for file in files for member in debian.members(file))
    made.kernel.write_bytes(guest.kernel)
    with made.initramfs.open("wb") as stream:
        _cpio.write(stream, guest.entries)
    manifest = {
        "recipe": _guest.RECIPE,
        "suite": _guest.SUITE,
        "kernel": guest.version,
        "packages": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
        "initramfs_sha256": hashlib.sha256(made.initramfs.read_bytes()).hexdigest(),
    }
    (whole / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    for path in whole.iterdir():
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
    return whole
