"""The board's state as /proc and /sys report it. An absent file is a value: the board does not report it."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Iterable
from pathlib import Path

from protos.edgeleak.v1 import agent_pb2

__all__ = ["cpu_model", "emulated", "memory_total_bytes", "read", "reset_peak"]

_PROC = Path("/proc")
_SYS = Path("/sys")
# Zones outside this range are disconnected sensors: many boards report 0 K or 2^31 for them.
_PLAUSIBLE_CELSIUS = (-40.0, 150.0)
# Set to 1 by whoever starts the agent inside an emulator that leaves no marks.
_EMULATED_VARIABLE = "EDGELEAK_EMULATED"
_DEVICE_TREE = "firmware/devicetree/base/compatible"


def read(worker_pid: int | None = None, *, proc: Path = _PROC, sys: Path = _SYS) -> agent_pb2.Telemetry:
    """The board's state now.

    Args:
        worker_pid: the process that owns the interpreters.
        proc: where /proc is mounted.
        sys: where /sys is mounted.
    """
    telemetry = agent_pb2.Telemetry(time_unix_ns=time.time_ns())
    temperature = _hottest(sys)
    if temperature is not None:
        telemetry.temperature_celsius = temperature
    # cpufreq speaks kHz.
    frequencies = _numbers(sys.glob("devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"))
    if frequencies:
        telemetry.cpu_frequency_hz = max(frequencies) * 1000
    governor = _text(sys / "devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if governor:
        telemetry.cpu_governor = governor
    available = _meminfo(proc, "MemAvailable")
    if available is not None:
        telemetry.memory_available_bytes = available
    status = "" if worker_pid is None else _text(proc / str(worker_pid) / "status") or ""
    resident, peak = (_kilobytes(status, key) for key in ("VmRSS", "VmHWM"))
    if resident is not None:
        telemetry.worker_resident_bytes = resident
    if peak is not None:
        telemetry.worker_peak_bytes = peak
    return telemetry


def reset_peak(pid: int, *, proc: Path = _PROC) -> bool:
    """Let a process's peak of resident memory begin at what it holds now; False where the kernel does not.

    Args:
        pid: the process.
        proc: where /proc is mounted.
    """
    try:
        # proc(5): 5 resets VmHWM. The file is there already, or the kernel cannot.
        with (proc / str(pid) / "clear_refs").open("r+b", buffering=0) as file:
            file.write(b"5")
    except OSError:
        return False
    return True


def memory_total_bytes(*, proc: Path = _PROC) -> int:
    """Memory of the board, 0 where it is not reported."""
    return _meminfo(proc, "MemTotal") or 0


def cpu_model(*, proc: Path = _PROC, sys: Path = _SYS) -> str:
    """The processor's name; on boards without one, its implementer and part numbers; empty where nothing is known."""
    fields = _cpuinfo(proc)
    for key in ("model name", "Model", "Hardware", "cpu model"):
        if fields.get(key):
            return fields[key]
    if "CPU part" in fields:
        return f"implementer {fields.get('CPU implementer', '?')} part {fields['CPU part']}"
    return _text(sys / "devices/system/cpu/cpu0/regs/identification/midr_el1") or platform.processor()


def emulated(*, proc: Path = _PROC, sys: Path = _SYS) -> bool:
    """Whether latency here says nothing about a phone: the CPU is emulated, or whoever started the agent says so."""
    if os.environ.get(_EMULATED_VARIABLE) == "1":
        return True
    fields = _cpuinfo(proc)
    # Emulating one process leaves the host's cpuinfo under the guest's machine name.
    foreign = platform.machine() in ("aarch64", "armv7l") and "vendor_id" in fields
    named = any("qemu" in value.lower() for value in fields.values())
    board = (_text(sys / _DEVICE_TREE) or "").lower()
    return foreign or named or "dummy-virt" in board or "qemu" in board


def _hottest(sys: Path) -> float | None:
    low, high = _PLAUSIBLE_CELSIUS
    degrees = [milli / 1000 for milli in _numbers(sys.glob("class/thermal/thermal_zone*/temp"))]
    return max((d for d in degrees if low <= d <= high), default=None)


def _meminfo(proc: Path, key: str) -> int | None:
    return _kilobytes(_text(proc / "meminfo") or "", key)


def _kilobytes(text: str, key: str) -> int | None:
    """The size that a line of a file of /proc gives, in bytes."""
    match = re.search(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def _cpuinfo(proc: Path) -> dict[str, str]:
    lines = (line.partition(":") for line in (_text(proc / "cpuinfo") or "").splitlines())
    fields: dict[str, str] = {}
    for key, _, value in lines:
        fields.setdefault(key.strip(), value.strip())
    return fields


def _numbers(paths: Iterable[Path]) -> list[int]:
    texts = [_text(path) for path in paths]
    return [int(text) for text in texts if text and re.fullmatch(r"-?\d+", text)]


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip("\0\n ")
    except OSError:
        return None
