"""What a board says it is, and its battery: by Android's tools, a device tree, a PC's firmware, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_agent import battery, board, telemetry
from protos.edgeleak.v1 import agent_pb2

PIXEL = {
    "ro.product.manufacturer": "Google",
    "ro.product.model": "Pixel 8",
    "ro.soc.manufacturer": "Google",
    "ro.soc.model": "Tensor G3",
    "ro.build.version.release": "14",
    "ro.build.version.sdk": "34",
    "ro.build.display.id": "UD1A.230803.041",
    "ro.product.cpu.abi": "arm64-v8a",
}
# `dumpsys battery` as Android 14 prints it.
DUMPSYS = """\
Current Battery Service state:
  AC powered: false
  USB powered: true
  Max charging current: 500000
  Charge counter: 2213000
  status: 2
  health: 2
  present: true
  level: 57
  scale: 100
  voltage: 3954
  temperature: 273
  technology: Li-ion
"""


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def command(folder: Path, name: str, said: str, *, code: int = 0) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{said}END\nexit {code}\n")
    path.chmod(0o755)


def test_a_phone_names_its_model_chip_build_and_abi(tmp_path: Path) -> None:
    said = board.board(android=PIXEL, proc=tmp_path, sys=tmp_path, etc=tmp_path)
    assert (said.model, said.soc, said.abi) == ("Google Pixel 8", "Google Tensor G3", "arm64-v8a")
    assert said.os_build == "Android 14 (SDK 34), UD1A.230803.041"


def test_a_maker_that_the_model_begins_with_is_named_once(tmp_path: Path) -> None:
    android = {"ro.product.manufacturer": "OnePlus", "ro.product.model": "ONEPLUS A6003", "ro.board.platform": "sdm845"}
    said = board.board(android=android, proc=tmp_path, sys=tmp_path, etc=tmp_path)
    assert (said.model, said.soc) == ("ONEPLUS A6003", "sdm845")
    assert not said.HasField("os_build")


def test_properties_are_read_as_getprop_prints_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(tmp_path, "getprop", "[ro.product.model]: [Pixel [8]]\n[empty]: []\nnoise\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    board.properties.cache_clear()
    try:
        assert board.properties() == {"ro.product.model": "Pixel [8]", "empty": ""}
    finally:
        board.properties.cache_clear()


def test_a_boards_device_tree_names_its_model_and_chip(tmp_path: Path) -> None:
    sys = written(
        tmp_path,
        {
            "firmware/devicetree/base/model": "Raspberry Pi 5 Model B Rev 1.0\0",
            "firmware/devicetree/base/compatible": "raspberrypi,5-model-b\0brcm,bcm2712\0",
            "os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
            "devices/system/cpu/cpu10/cpufreq/cpuinfo_max_freq": "1500000\n",
            "devices/system/cpu/cpu2/cpufreq/cpuinfo_max_freq": "2400000\n",
        },
    )
    said = board.board(android={}, proc=tmp_path, sys=sys, etc=tmp_path)
    assert (said.model, said.soc) == ("Raspberry Pi 5 Model B Rev 1.0", "brcm,bcm2712")
    assert said.os_build == "Debian GNU/Linux 12 (bookworm)"
    assert list(said.core_max_frequencies_hz) == [2_400_000_000, 1_500_000_000]


def test_a_pc_is_named_by_its_firmware(tmp_path: Path) -> None:
    sys = written(tmp_path, {"class/dmi/id/sys_vendor": "LENOVO\n", "class/dmi/id/product_name": "20XW\n"})
    assert board.board(android={}, proc=tmp_path, sys=sys, etc=tmp_path).model == "LENOVO 20XW"


def test_what_no_board_says_is_absent(tmp_path: Path) -> None:
    assert board.board(android={}, proc=tmp_path, sys=tmp_path, etc=tmp_path) == agent_pb2.Board()


@pytest.mark.parametrize(
    "android", [{"ro.kernel.qemu": "1"}, {"ro.boot.qemu": "1"}, {"ro.hardware": "ranchu"}, {"ro.hardware": "goldfish"}]
)
def test_androids_emulators_are_recognised_on_any_processor(tmp_path: Path, android: dict[str, str]) -> None:
    assert board.emulated(android=android, proc=tmp_path, sys=tmp_path)
    assert not board.emulated(android=PIXEL, proc=tmp_path, sys=tmp_path)


@pytest.mark.parametrize("status", [("Charging", True), ("Discharging", False), ("Full", False), ("Unknown", None)])
def test_the_kernels_battery_is_read_in_its_units(tmp_path: Path, status: tuple[str, bool | None]) -> None:
    at = "class/power_supply/"
    files = {"a/type": "USB", "b/type": "Battery", "b/capacity": "57", "b/temp": "273", "b/status": status[0]}
    sys = written(tmp_path, {at + name: content + "\n" for name, content in files.items()})
    assert battery.read(ask=False, sys=sys) == battery.Battery(0.57, 27.3, status[1])


def test_androids_service_is_asked_only_where_it_may_take_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(tmp_path, "dumpsys", DUMPSYS)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert battery.read(ask=True, sys=tmp_path) == battery.Battery(0.57, 27.3, True)
    assert battery.read(ask=False, sys=tmp_path) == battery.Battery()
    state = telemetry.read(ask=True, proc=tmp_path, sys=tmp_path)
    assert (state.battery_level, state.battery_temperature_celsius, state.battery_charging) == (0.57, 27.3, True)


@pytest.mark.parametrize(
    "said",
    ["", "level: 900\nscale: 100\n", "  present: false\n  level: 0\n", "level: \x00\ntemperature: 9999999999999999\n"],
)
def test_a_battery_that_makes_no_sense_is_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    command(tmp_path, "dumpsys", said)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert battery.read(ask=True, sys=tmp_path) == battery.Battery()


def test_a_tool_that_fails_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(tmp_path, "dumpsys", DUMPSYS, code=1)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert battery.read(ask=True, sys=tmp_path) == battery.Battery()
