"""The emulated phone of this computer: started where none runs, and then a device over adb like any other."""

from __future__ import annotations

import re

from harness import emulator
from harness.devices._types import Timeouts
from harness.devices.transports import adb
from harness.devices.transports._installed import InstalledAgent, tell
from harness.errors import DependencyError, DeviceUnavailableError
from harness.remote.adb import Adb

__all__ = ["check", "device", "open"]


def check(selector: re.Match[str]) -> None:
    """Raise unless this computer can emulate a phone; none is started.

    Raises:
        DependencyError: a program is not installed.
    """
    if missing := emulator.missing_packages():
        raise DependencyError(
            f"device {selector.string!r} needs programs that are not installed: {', '.join(missing)}",
            hint=f"apt-get install --no-install-recommends {' '.join(missing)}",
        )


def device(selector: re.Match[str]) -> Adb:
    """The phone that runs; none is started.

    Raises:
        DeviceUnavailableError: none runs.
        DependencyError: adb is not installed.
    """
    for phone in emulator.running():
        return Adb(phone.serial, device=selector.string)
    raise DeviceUnavailableError("no emulated phone runs", device=selector.string, hint="edgeleak emulator start")


def open(selector: re.Match[str], *, timeouts: Timeouts) -> InstalledAgent:
    """Reach the agent on the emulated phone, which is started where none runs and goes on running afterwards.

    Args:
        selector: the device as the user named it.
        timeouts: how long to wait for what; the phone's own start has its own time.

    Raises:
        DependencyError: a program is not installed.
        DeviceError: the phone does not start, or the agent cannot be installed or started there.
    """
    phone = emulator.phone(say=tell)
    return adb.open_serial(Adb(phone.serial, device=selector.string), timeouts=timeouts)
