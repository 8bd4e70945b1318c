"""A phone for tests: in a cache of its own, so that nobody else's is found, with stand-ins for tools of Android."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import emulator
from harness.cache import cache_dir
from harness.emulator import Emulator

__all__ = ["BATTERY", "PROPERTIES", "STAND_INS", "booted", "own_cache", "skip_unless_made"]

PROPERTIES = {
    "ro.product.manufacturer": "Example",
    "ro.product.model": "Example Phone 1",
    "ro.product.cpu.abi": "arm64-v8a",
    "ro.board.platform": "example",
    "ro.build.version.release": "15",
    "ro.build.version.sdk": "35",
    "ro.hardware": "example",
    "sys.boot_completed": "1",
}
BATTERY = {"level": 50, "scale": 100, "status": 3, "temperature": 251}
_LISTED = "\n".join(f"[{key}]: [{value}]" for key, value in PROPERTIES.items())
_CASES = "\n".join(f"  {key}) echo '{value}';;" for key, value in PROPERTIES.items())
_SERVICE = "\n".join(f"  {key}: {value}" for key, value in BATTERY.items())
STAND_INS = {
    "system/bin/getprop": (
        f'#!/system/bin/sh\ncase "$1" in\n"") cat <<END\n{_LISTED}\nEND\n;;\n{_CASES}\nesac\n'
    ).encode(),
    "system/bin/dumpsys": (
        '#!/system/bin/sh\n[ "$1" = battery ] || exit 1\ncat <<END\nCurrent Battery Service state:\n'
        f"  present: true\n{_SERVICE}\nEND\n"
    ).encode(),
}


def skip_unless_made() -> None:
    """Skip, with the reason, where the phone could only be had with the network."""
    if missing := emulator.missing_packages():
        pytest.skip(f"no emulated phone: apt-get install --no-install-recommends {' '.join(missing)}")
    if emulator.cached() is None:
        pytest.skip("no emulated phone: its image has not been made yet (make phone)")


@contextlib.contextmanager
def own_cache(folder: Path) -> Iterator[Path]:
    """A cache in which the image and the bundles are the user's, and the phones are not."""
    shared = cache_dir()
    (folder / "emulator").mkdir(parents=True)
    for name in ("emulator/images", "bundles"):
        (folder / name).symlink_to(shared / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGELEAK_CACHE_DIR", str(folder))
        yield folder


@contextlib.contextmanager
def booted(folder: Path) -> Iterator[Emulator]:
    """A phone with the stand-ins, in a cache of its own, that ends with the block."""
    skip_unless_made()
    with own_cache(folder):
        phone = emulator.start(extra=STAND_INS, say=print)
        try:
            yield phone
        finally:
            emulator.stop(phone)
