"""The board's state as /proc and /sys report it. An absent file is a value: the board does not report it."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from device_agent import battery
from device_agent.readings import numbers, text
from protos.edgeleak.v1 import agent_pb2

__all__ = ["cores", "memory_available_bytes", "memory_total_bytes", "read", "reset_peak"]

_PROC = Path("/proc")
_SYS = Path("/sys")
# Zones outside this range are disconnected sensors: many boards report 0 K or 2^31 for them.
_PLAUSIBLE_CELSIUS = (-40.0, 150.0)


def read(
    worker_pid: int | None = None, *, ask: bool = False, proc: Path = _PROC, sys: Path = _SYS
) -> agent_pb2.Telemetry:
    """The board's state now.

    Args:
        worker_pid: the process that owns the interpreters.
        ask: ask Android's services, too, which takes a moment of a core; not beside a measurement.
        proc: where /proc is mounted.
        sys: where /sys is mounted.
    """
    telemetry = agent_pb2.Telemetry(time_unix_ns=time.time_ns())
    temperature = _hottest(sys)
    if temperature is not None:
        telemetry.temperature_celsius = temperature
    # cpufreq speaks kHz.
    frequencies = numbers(sys.glob("devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"))
    if frequencies:
        telemetry.cpu_frequency_hz = max(frequencies) * 1000
    governor = text(sys / "devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if governor:
        telemetry.cpu_governor = governor
    available = memory_available_bytes(proc=proc)
    if available is not None:
        telemetry.memory_available_bytes = available
    status = "" if worker_pid is None else text(proc / str(worker_pid) / "status") or ""
    resident, peak = (_kilobytes(status, key) for key in ("VmRSS", "VmHWM"))
    if resident is not None:
        telemetry.worker_resident_bytes = resident
    if peak is not None:
        telemetry.worker_peak_bytes = peak
    power = battery.read(ask=ask, sys=sys)
    if power.level is not None:
        telemetry.battery_level = power.level
    if power.celsius is not None:
        telemetry.battery_temperature_celsius = power.celsius
    if power.charging is not None:
        telemetry.battery_charging = power.charging
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


def cores() -> int:
    """Cores of the board; most threads that an interpreter may have."""
    return os.cpu_count() or 1


def memory_available_bytes(*, proc: Path = _PROC) -> int | None:
    """Memory that can be had without swapping, as the kernel estimates it; None where it is not reported."""
    return _meminfo(proc, "MemAvailable")


def memory_total_bytes(*, proc: Path = _PROC) -> int:
    """Memory of the board, 0 where it is not reported."""
    return _meminfo(proc, "MemTotal") or 0


def _hottest(sys: Path) -> float | None:
    low, high = _PLAUSIBLE_CELSIUS
    degrees = [milli / 1000 for milli in numbers(sys.glob("class/thermal/thermal_zone*/temp"))]
    return max((d for d in degrees if low <= d <= high), default=None)


def _meminfo(proc: Path, key: str) -> int | None:
    return _kilobytes(text(proc / "meminfo") or "", key)


def _kilobytes(text: str, key: str) -> int | None:
    """The size that a line of a file of /proc gives, in bytes."""
    match = re.search(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else None
