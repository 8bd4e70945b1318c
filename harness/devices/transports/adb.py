"""An agent on a phone or an emulator over adb: installed and started where none runs, behind a port on loopback."""

from __future__ import annotations

import contextlib
import re

from harness.devices._types import Timeouts
from harness.devices.transports._installed import InstalledAgent
from harness.errors import DeviceError, UsageError
from harness.remote.adb import Adb
from harness.remote.adb_errors import AdbForwardError
from harness.remote.install import BundleOf

__all__ = ["check", "check_emulator", "device", "emulator", "open", "open_emulator", "open_serial"]

# The console ports of emulators; each one's adb has the next.
_FIRST_PORT, _LAST_PORT = 5554, 5682
_FORMS = "write adb for the only device, adb:SERIAL, or emulator:5554; edgeleak devices lists what is connected"


class _Forwarded:
    """A port of this computer's loopback that leads to a socket of the device; see `Way`."""

    def __init__(self, adb: Adb) -> None:
        self._adb = adb
        self._port: int | None = None

    def open(self, socket: str) -> str:
        self._port = self._adb.forward(socket)
        return f"127.0.0.1:{self._port}"

    def restore(self, socket: str) -> None:
        self._adb.require()
        if self._port is not None and not self._adb.forwards(self._port, socket):
            # The port that the channel knows: gRPC then connects again by itself.
            self._adb.forward(socket, port=self._port)

    def trouble(self) -> str | None:
        return None

    def close(self) -> None:
        if self._port is not None:
            with contextlib.suppress(DeviceError, AdbForwardError):
                self._adb.remove_forward(self._port)
            self._port = None


def check(selector: re.Match[str]) -> None:
    """Raise unless a device can be reached as it was named; nothing is contacted.

    Raises:
        UsageError: no serial can be so.
        DependencyError: adb is not installed.
    """
    device(selector).close()


def check_emulator(selector: re.Match[str]) -> None:
    """Raise unless an emulator can have this port; nothing is contacted.

    Raises:
        UsageError: it cannot.
        DependencyError: adb is not installed.
    """
    emulator(selector).close()


def device(selector: re.Match[str]) -> Adb:
    """The device of ``adb`` or ``adb:SERIAL``; nothing is contacted yet.

    Args:
        selector: with a group ``serial``, None where the only device is meant.

    Raises:
        UsageError: no serial can be so.
        DependencyError: adb is not installed.
    """
    serial = selector["serial"]
    if (serial is not None and not serial.isprintable()) or (serial is not None and not serial.strip()):
        raise UsageError(f"device {selector.string!r} names no serial", hint=_FORMS)
    return Adb(serial, device=selector.string)


def emulator(selector: re.Match[str]) -> Adb:
    """The Android emulator whose console has a port; nothing is contacted yet.

    Args:
        selector: with a group ``console``.

    Raises:
        UsageError: no emulator can have this port.
        DependencyError: adb is not installed.
    """
    port = int(selector["console"])
    if not _FIRST_PORT <= port <= _LAST_PORT or port % 2:
        near = port - 1 if _FIRST_PORT < port <= _LAST_PORT + 1 and port % 2 else _FIRST_PORT
        raise UsageError(
            f"device {selector.string!r}: an emulator's console has an even port from {_FIRST_PORT} to {_LAST_PORT}",
            hint=f"write emulator:{near}; adb devices shows it as emulator-{near}",
        )
    return Adb(f"emulator-{port}", device=selector.string)


def open(selector: re.Match[str], *, timeouts: Timeouts) -> InstalledAgent:
    """Reach the agent on a device, installed and started where none runs.

    Args:
        selector: the device as the user named it.
        timeouts: how long to wait for what.

    Raises:
        UsageError: several devices are connected, and none was named.
        DeviceError: the device cannot be used, or its agent not be installed or started.
    """
    return open_serial(device(selector), timeouts=timeouts)


def open_emulator(selector: re.Match[str], *, timeouts: Timeouts) -> InstalledAgent:
    """Reach the agent on an Android emulator, once that has booted; see `open`.

    Args:
        selector: the device as the user named it.
        timeouts: its boot may take ``connect``.
    """
    return open_serial(emulator(selector), timeouts=timeouts, boots=True)


def open_serial(
    adb: Adb, *, timeouts: Timeouts, boots: bool = False, bundle_of: BundleOf | None = None
) -> InstalledAgent:
    """Reach the agent on a device that is known by its serial; see `open`.

    Args:
        adb: the device.
        timeouts: how long to wait for what.
        boots: it may be booting yet, and has ``connect`` for that.
        bundle_of: makes the bundle of an architecture; None takes the cached one.
    """
    if boots:
        adb.wait_until_booted(timeouts.connect)
    else:
        adb.require()
    return InstalledAgent(adb, _Forwarded(adb), timeouts=timeouts, bundle_of=bundle_of)
