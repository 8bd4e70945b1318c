"""What the board is: model, system on a chip, build of the system, and whether it is emulated."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from device_agent.readings import numbers, text, tool
from protos.edgeleak.v1 import agent_pb2

__all__ = ["board", "cpu_model", "emulated", "properties"]

_PROC = Path("/proc")
_SYS = Path("/sys")
_ETC = Path("/etc")
# Set to 1 by whoever starts the agent inside an emulator that leaves no marks.
_EMULATED_VARIABLE = "EDGELEAK_EMULATED"
_DEVICE_TREE = "firmware/devicetree/base"
# Android's emulator, old and new, and Google's cloud phones.
_EMULATORS = ("goldfish", "ranchu", "cutf", "vsoc")


@cache
def properties() -> Mapping[str, str]:
    """Android's system properties; empty elsewhere. They are asked for once."""
    return dict(re.findall(r"^\[([^\]]+)\]: \[(.*)\]$", tool("getprop") or "", re.MULTILINE))


def board(
    *, android: Mapping[str, str] | None = None, proc: Path = _PROC, sys: Path = _SYS, etc: Path = _ETC
) -> agent_pb2.Board:
    """What the board says it is.

    Args:
        android: system properties; by default those of this device.
        proc: where /proc is mounted.
        sys: where /sys is mounted.
        etc: where /etc is.
    """
    android = properties() if android is None else android
    said = {
        "model": _joined(android, "ro.product.manufacturer", "ro.product.model") or _model(proc, sys),
        "soc": _joined(android, "ro.soc.manufacturer", "ro.soc.model") or android.get("ro.board.platform") or _soc(sys),
        "os_build": _android_build(android) or _os_release(etc),
        "abi": android.get("ro.product.cpu.abi"),
    }
    # cpufreq speaks kHz.
    cores = sorted(sys.glob("devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq"), key=_core)
    return agent_pb2.Board(
        core_max_frequencies_hz=[1000 * kilohertz for kilohertz in numbers(cores)],
        **{name: value for name, value in said.items() if value},
    )


def cpu_model(*, proc: Path = _PROC, sys: Path = _SYS) -> str:
    """The processor's name; on boards without one, its implementer and part numbers; empty where nothing is known."""
    fields = _cpuinfo(proc)
    for key in ("model name", "Model", "Hardware", "cpu model"):
        if fields.get(key):
            return fields[key]
    if "CPU part" in fields:
        return f"implementer {fields.get('CPU implementer', '?')} part {fields['CPU part']}"
    return text(sys / "devices/system/cpu/cpu0/regs/identification/midr_el1") or platform.processor()


def emulated(*, android: Mapping[str, str] | None = None, proc: Path = _PROC, sys: Path = _SYS) -> bool:
    """Whether latency here says nothing about a phone: the board is emulated, or whoever started the agent says so.

    Args:
        android: system properties; by default those of this device.
        proc: where /proc is mounted.
        sys: where /sys is mounted.
    """
    if os.environ.get(_EMULATED_VARIABLE) == "1":
        return True
    android = properties() if android is None else android
    if "1" in (android.get("ro.kernel.qemu"), android.get("ro.boot.qemu")) or android.get("ro.hardware") in _EMULATORS:
        return True
    fields = _cpuinfo(proc)
    # Emulating one process leaves the host's cpuinfo under the guest's machine name.
    foreign = platform.machine() in ("aarch64", "armv7l") and "vendor_id" in fields
    named = any("qemu" in value.lower() for value in fields.values())
    compatible = (text(sys / _DEVICE_TREE / "compatible") or "").lower()
    return foreign or named or "dummy-virt" in compatible or "qemu" in compatible


def _model(proc: Path, sys: Path) -> str | None:
    tree = text(sys / _DEVICE_TREE / "model") or text(proc / "device-tree/model")
    vendor, product = (text(sys / f"class/dmi/id/{name}") for name in ("sys_vendor", "product_name"))
    return tree or " ".join(part for part in (vendor, product) if part) or None


def _soc(sys: Path) -> str | None:
    """The chip is the last, most general name of a device tree's list."""
    names = (text(sys / _DEVICE_TREE / "compatible") or "").split("\0")
    return names[-1] or None


def _joined(android: Mapping[str, str], *keys: str) -> str | None:
    """Maker and name, the maker once: some names begin with it."""
    maker, name = (android.get(key, "") for key in keys)
    if not name:
        return None
    return name if name.lower().startswith(maker.lower()) else f"{maker} {name}"


def _android_build(android: Mapping[str, str]) -> str | None:
    release, sdk = android.get("ro.build.version.release"), android.get("ro.build.version.sdk")
    if not release:
        return None
    build = android.get("ro.build.display.id") or android.get("ro.build.id")
    return f"Android {release}{f' (SDK {sdk})' if sdk else ''}{f', {build}' if build else ''}"


def _os_release(etc: Path) -> str | None:
    named = re.search(r'^PRETTY_NAME="?([^"\n]*)"?$', text(etc / "os-release") or "", re.MULTILINE)
    return named[1] if named else None


def _core(path: Path) -> int:
    return int(path.parts[-3].removeprefix("cpu"))


def _cpuinfo(proc: Path) -> dict[str, str]:
    lines = (line.partition(":") for line in (text(proc / "cpuinfo") or "").splitlines())
    fields: dict[str, str] = {}
    for key, _, value in lines:
        fields.setdefault(key.strip(), value.strip())
    return fields
