"""What is said where no phone can be emulated, or none runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import emulator
from harness.devices import check_url, transports
from harness.errors import DependencyError, DeviceUnavailableError, UsageError

LINE = "apt-get install --no-install-recommends qemu-system-arm adb"


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, in which no phone runs."""
    monkeypatch.setenv("EDGELEAK_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No program is found."""
    for name in ("ADB", "ANDROID_HOME", "ANDROID_SDK_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("bare")
def test_missing_programs_are_named_with_one_line_that_installs_them(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match=LINE):
        emulator.start()
    with pytest.raises(DependencyError, match=LINE):
        check_url("arm64-emulated")
    assert not (tmp_path / "cache").exists()


def test_a_selector_that_is_checked_starts_nothing(tmp_path: Path) -> None:
    if emulator.missing_packages():
        pytest.skip("qemu or adb is not installed")
    check_url("arm64-emulated")
    with pytest.raises(DeviceUnavailableError, match=r"no emulated phone runs \(edgeleak emulator start\)"):
        transports.machine("arm64-emulated")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(("port", "said"), [(80, "cannot be used"), (70000, "cannot be used"), (5557, "twice")])
def test_a_port_that_cannot_be_is_refused_before_an_image_is_made(port: int, said: str, tmp_path: Path) -> None:
    if emulator.missing_packages():
        pytest.skip("qemu or adb is not installed")
    with pytest.raises(UsageError, match=said):
        emulator.start(port)
    assert not (tmp_path / "cache").exists()
