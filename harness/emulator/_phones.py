"""Phones that run: a folder each in the cache, with what is needed to find, steer and end it."""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from harness import files
from harness.emulator import _processes
from harness.emulator._image import root
from harness.emulator._monitor import Monitor
from harness.errors import DeviceError
from harness.remote.adb import Adb

__all__ = ["Emulator", "place", "places", "read", "record", "running", "stop"]

_STATE = "phone.json"
# qemu ends at once when it is asked to.
_END_SECONDS = 5.0


@dataclass(frozen=True)
class Emulator:
    """An emulated phone that runs. It outlives the process that started it.

    Args:
        serial: of adb, ``127.0.0.1:PORT``.
        port: of this computer's loopback that leads to its adbd.
        pid: of qemu.
        folder: private: its console's log, qemu's socket, its state.
        start: the moment of the process's start.
    """

    serial: str
    port: int
    pid: int
    folder: Path
    start: str

    @property
    def console(self) -> Path:
        """What the phone has written to its console."""
        return self.folder / "console.log"

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return _processes.alive(self.pid, self.start)

    def to_json(self) -> dict[str, object]:
        """For a file or a terminal: how it is named, and what it is here."""
        about: dict[str, object] = {"device": f"adb:{self.serial}", "serial": self.serial, "port": self.port}
        return {**about, "pid": self.pid, "folder": str(self.folder)}

    def monitor(self) -> Monitor:
        """Commands to its qemu.

        Raises:
            DeviceUnavailableError: qemu does not answer.
        """
        return Monitor(self.folder, device=self.serial)

    def adb(self) -> Adb:
        """Its adb, connected or not.

        Raises:
            DependencyError: adb is not installed.
        """
        return Adb(self.serial, device=self.serial)


def places() -> Path:
    """The folder of the phones' folders; it may not exist yet."""
    return root() / "phones"


def place(port: int) -> Path:
    """The folder of the phone at a port."""
    return places() / str(port)


def record(port: int, pid: int) -> Emulator:
    """Write down that a phone runs."""
    phone = Emulator(f"127.0.0.1:{port}", port, pid, place(port), _processes.started(pid))
    content = {"port": port, "pid": pid, "start": phone.start}
    files.write(phone.folder / _STATE, json.dumps(content).encode())
    return phone


def read(folder: Path) -> Emulator | None:
    """The phone that a folder tells of; None where it tells of none."""
    try:
        state = json.loads((folder / _STATE).read_bytes())
        port, pid, start = int(state["port"]), int(state["pid"]), str(state["start"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Emulator(f"127.0.0.1:{port}", port, pid, folder, start)


def running() -> list[Emulator]:
    """The phones that run, by their ports."""
    try:
        found = [read(folder) for folder in places().iterdir() if folder.name.isdecimal()]
    except OSError:
        return []
    return sorted((phone for phone in found if phone is not None and phone.alive), key=lambda phone: phone.port)


def stop(phone: Emulator) -> None:
    """End a phone, let adb forget it, and remove its folder; one that has ended already is no error.

    Args:
        phone: which.
    """
    with contextlib.suppress(DeviceError):
        phone.adb().disconnect()
    if phone.alive:
        with contextlib.suppress(DeviceError), phone.monitor() as monitor:
            monitor.ask("quit")
        if not _processes.wait(phone.pid, phone.start, seconds=_END_SECONDS):
            _processes.end(phone.pid, phone.start, seconds=_END_SECONDS)
    shutil.rmtree(phone.folder, ignore_errors=True)
