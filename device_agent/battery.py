"""The battery: as the kernel reports it, or as Android's service does where the kernel's files are not ours to read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from device_agent.readings import text, tool

__all__ = ["Battery", "read"]

_SYS = Path("/sys")
# BatteryManager's numbers: 2 is charging, 5 is full on the cable.
_CHARGING = ("2",)


@dataclass(frozen=True)
class Battery:
    """A battery's state; None where the board does not say.

    Args:
        level: from 0 to 1.
        celsius: its temperature.
        charging: whether it is being charged.
    """

    level: float | None = None
    celsius: float | None = None
    charging: bool | None = None


def read(*, ask: bool, sys: Path = _SYS) -> Battery:
    """The state now; all None where there is no battery.

    Args:
        ask: ask Android's service where the kernel says nothing. That takes a process and some 50 ms of a core, which
            would show beside a measurement.
        sys: where /sys is mounted.
    """
    for supply in sorted(sys.glob("class/power_supply/*")):
        if text(supply / "type") == "Battery" and (found := _of_supply(supply)) != Battery():
            return found
    return _of_service(tool("dumpsys", "battery") or "") if ask else Battery()


def _of_supply(supply: Path) -> Battery:
    level, tenths, status = (text(supply / name) for name in ("capacity", "temp", "status"))
    return Battery(
        level=_share(_number(level), 100.0),
        celsius=None if (t := _number(tenths)) is None else t / 10,
        charging=None if not status or status == "Unknown" else status == "Charging",
    )


def _of_service(said: str) -> Battery:
    # The first of each: a phone with a second battery lists it below.
    fields: dict[str, str] = {}
    for key, value in re.findall(r"^\s*([A-Za-z ]+): *(\S+)\s*$", said, re.MULTILINE):
        fields.setdefault(key.strip(), value)
    if fields.get("present") == "false":
        return Battery()
    tenths, status = _number(fields.get("temperature")), fields.get("status")
    return Battery(
        level=_share(_number(fields.get("level")), _number(fields.get("scale")) or 100.0),
        celsius=None if tenths is None else tenths / 10,
        charging=None if status is None else status in _CHARGING,
    )


def _share(level: float | None, whole: float) -> float | None:
    return level / whole if level is not None and 0 <= level <= whole else None


def _number(written: str | None) -> float | None:
    return float(written) if written and re.fullmatch(r"-?\d{1,9}", written) else None
