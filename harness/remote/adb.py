"""One device over the adb binary: commands with a time limit, and typed errors. It never ends the adb server."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from harness.plain import plain
from harness.remote._adb_found import AdbDevice, find_adb, row_of
from harness.remote.adb_errors import (
    AdbAmbiguousError,
    AdbBootError,
    AdbBrokenError,
    AdbError,
    AdbForwardError,
    AdbMissingDeviceError,
    AdbOfflineError,
    AdbTimeoutError,
    AdbUnauthorizedError,
    classify,
)
from harness.remote.shell import Completed

__all__ = ["HOME", "Adb", "AdbDevice", "connected", "find_adb"]

# Where the shell's user may write, and run what it wrote.
HOME = "/data/local/tmp/edgeleak"
# A question to the adb server; its own start takes up to five seconds.
_SERVER_SECONDS = 15.0
# A device that was reset has so long to come back.
_BACK_SECONDS = 10.0
_POLL_SECONDS = 0.5
# Written by the device after a script, so that its end and its status are known whatever the age of its adbd.
_MARK = "edgeleak-status:"
_ENDED = re.compile(rf"{_MARK}(\d+)\s*\Z")
_NETWORK = re.compile(r"(?P<host>.+):\d{1,5}")
_BOOTING = (AdbMissingDeviceError, AdbOfflineError, AdbUnauthorizedError, AdbBrokenError)

Answer = TypeVar("Answer")


def connected(binary: str | None = None) -> list[AdbDevice]:
    """The devices that the adb server knows, in its order; it is started where none runs.

    Args:
        binary: of adb; None looks for it.

    Raises:
        DependencyError: adb is not installed.
        AdbError: the server does not answer.
    """
    return Adb(None, device="adb", binary=binary).devices()


class Adb:
    """One device, by its serial; see `Shell`.

    Args:
        serial: None takes ANDROID_SERIAL, or the only device there is, at the first command.
        device: as the user named it, for errors.
        binary: of adb; None looks for it.

    Raises:
        DependencyError: adb is not installed.
    """

    home = HOME

    def __init__(self, serial: str | None, *, device: str, binary: str | None = None) -> None:
        self.device = device
        self._binary = binary or find_adb()
        self._serial = serial

    @property
    def serial(self) -> str:
        """Of the device.

        Raises:
            AdbMissingDeviceError: there is none.
            AdbAmbiguousError: there are several.
        """
        if self._serial is None:
            self._serial = os.environ.get("ANDROID_SERIAL") or self._only()
        return self._serial

    def devices(self) -> list[AdbDevice]:
        """What the adb server knows."""
        out = self._again(lambda: self._adb(["devices", "-l"], seconds=_SERVER_SECONDS, chosen=False))
        return [row for line in out.splitlines() if (row := row_of(line))]

    def state(self) -> str:
        """Of this device, as ``adb devices`` says it; empty where it is not connected."""
        return next((row.state for row in self.devices() if row.serial == self.serial), "")

    def require(self) -> None:
        """Raise unless the device takes commands. One on the network is connected where it is not yet.

        Raises:
            AdbError: the one that its state stands for, and what is connected instead.
        """
        state = self.state()
        if state in ("", "offline") and _NETWORK.fullmatch(self.serial):
            self.connect(again=state == "offline")
            state = self.state()
        if state == "offline":
            self._reset()
            state = self.state()
        if state == "":
            others = [row.serial for row in self.devices()]
            known = f"; connected: {', '.join(others)}" if others else "; no device is connected"
            raise self._error(AdbMissingDeviceError, f"{plain(self.serial)} is not connected{known}", _hint_of(others))
        self.check(AdbDevice(self.serial, state))

    def check(self, row: AdbDevice) -> None:
        """Raise the error that a device's state stands for; none where it takes commands.

        Args:
            row: as the adb server lists this device.

        Raises:
            AdbError: it takes no commands.
        """
        state = row.state
        if row.usable:
            return
        text = {"authorizing": "device still authorizing", "connecting": "device offline"}.get(state, f"device {state}")
        if state in ("bootloader", "recovery", "rescue", "sideload", "host"):
            hint = "start Android: adb reboot, or the phone's menu"
            raise self._error(AdbOfflineError, f"is in {state}, where nothing can be installed", hint)
        raise classify(text, device=self.device, command="get-state", serial=self.serial)

    def run(self, script: str, *, seconds: float, again: bool = False) -> Completed:
        """Run a script; see `Shell.run`."""
        # In a subshell, so that a script that exits does not take the mark along.
        command = ["shell", f"(\n{script}\n)\necho {_MARK}$?"]
        attempt = self._attempt(command, seconds)
        return self._again(attempt) if again else attempt()

    def push(self, file: Path, to: str, *, seconds: float) -> None:
        """Copy a file of this computer there; see `Shell.push`."""
        self._again(lambda: self._adb(["push", str(file), to], seconds=seconds))

    def pull(self, path: str, to: Path, *, seconds: float) -> None:
        """Copy a file of the device to this computer.

        Args:
            path: of the device.
            to: of this computer.
            seconds: after which it is given up.
        """
        self._again(lambda: self._adb(["pull", path, str(to)], seconds=seconds))

    def forward(self, socket: str, *, port: int = 0) -> int:
        """Let a port of this computer's loopback lead to a Unix socket of the device; the port.

        Args:
            socket: its path there.
            port: 0 picks one.

        Raises:
            AdbForwardError: the port is taken.
        """
        command = ["forward", f"tcp:{port}", f"localfilesystem:{socket}"]
        out = self._again(lambda: self._adb(command, seconds=_SERVER_SECONDS)).strip()
        if port:
            return port
        if not out.isdecimal():
            raise self._error(AdbForwardError, f"adb says {plain(out, length=80)!r} in place of a port", None)
        return int(out)

    def forwards(self, port: int, socket: str) -> bool:
        """Whether the port leads to the socket."""
        out = self._again(lambda: self._adb(["forward", "--list"], seconds=_SERVER_SECONDS))
        return f"{self.serial} tcp:{port} localfilesystem:{socket}" in out.splitlines()

    def remove_forward(self, port: int) -> None:
        """Let the port lead nowhere; one that does already is no error."""
        with contextlib.suppress(AdbForwardError, AdbMissingDeviceError):
            self._adb(["forward", "--remove", f"tcp:{port}"], seconds=_SERVER_SECONDS)

    def connect(self, *, again: bool = False) -> None:
        """Connect to a device on the network, whose serial is HOST:PORT.

        Args:
            again: end a connection that is there and does not answer, first.

        Raises:
            AdbError: nobody answers, or this computer is not allowed.
        """
        if again:
            self.disconnect()
        # It exits with 0 whatever happens.
        out = self._adb(["connect", self.serial], seconds=_SERVER_SECONDS, chosen=False)
        if not re.search(r"connected to", out):
            raise classify(out, device=self.device, command="connect", serial=self.serial)

    def disconnect(self) -> None:
        """End the connection to a device on the network."""
        with contextlib.suppress(AdbError):
            self._adb(["disconnect", self.serial], seconds=_SERVER_SECONDS, chosen=False)

    def features(self) -> frozenset[str]:
        """What its adbd and this adb have in common, e.g. ``shell_v2``."""
        out = self._again(lambda: self._adb(["features"], seconds=_SERVER_SECONDS))
        return frozenset(line.strip() for line in out.splitlines() if line.strip())

    def wait_until_booted(self, seconds: float) -> None:
        """Wait until the device takes commands and Android says that it has booted; what never says so is booted.

        Args:
            seconds: after which it is given up.

        Raises:
            AdbBootError: it did not boot in time; the message says how far it came.
        """
        until = time.monotonic() + seconds
        while True:
            try:
                self.require()
                booted = self.run("command -v getprop >/dev/null || echo 1; getprop sys.boot_completed", seconds=10.0)
                if "1" in booted.out.split():
                    return
                reason = "adb reaches it, and sys.boot_completed is not yet 1"
            except (*_BOOTING, AdbTimeoutError) as error:
                reason = error.message.removeprefix(f"{self.device}: ")
            if time.monotonic() + _POLL_SECONDS > until:
                break
            time.sleep(_POLL_SECONDS)
        raise self._error(
            AdbBootError,
            f"did not boot within {seconds:g} s: {reason}",
            "allow it more time: connect = 300 under [device.timeouts]; an emulator without KVM (/dev/kvm missing, or "
            "not yours) takes minutes",
        )

    def close(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _only(self) -> str:
        rows = self.devices()
        if len(rows) == 1:
            return rows[0].serial
        if not rows:
            raise classify("no devices/emulators found", device=self.device, command="devices", serial="")
        names = ", ".join(f"adb:{row.serial} ({row.state})" for row in rows)
        raise self._error(
            AdbAmbiguousError, f"stands for one of several devices: {names}", "write one of them, or set ANDROID_SERIAL"
        )

    def _attempt(self, command: Sequence[str], seconds: float) -> Callable[[], Completed]:
        def attempt() -> Completed:
            code, out, err = self._call(command, seconds=seconds, chosen=True)
            # An adbd without shell_v2 answers as a terminal does.
            out = out.replace("\r\n", "\n")
            ended = _ENDED.search(out)
            if ended is None:
                failure = self._failed(command, err)
                if type(failure) is not AdbError:
                    raise failure
                # adb says nothing where the device's adbd ends: what is there is of the script, which was cut off.
                raise self._failed(command, f"error: closed ({code})")
            return Completed(int(ended[1]), out[: ended.start()], err)

        return attempt

    def _again(self, attempt: Callable[[], Answer]) -> Answer:
        """Make a call whose repetition changes nothing; once more where the connection broke."""
        try:
            return attempt()
        except AdbError as error:
            if not error.passing:
                raise
        self._reset()
        return attempt()

    def _reset(self) -> None:
        """Reset a connection that does not answer, and wait a bounded time for it."""
        with contextlib.suppress(AdbError):
            self._adb(["reconnect", "offline"], seconds=_SERVER_SECONDS, chosen=False)
        with contextlib.suppress(AdbError):
            self._adb(["wait-for-device"], seconds=_BACK_SECONDS)

    def _adb(self, command: Sequence[str], *, seconds: float, chosen: bool = True) -> str:
        """What a command prints.

        Args:
            command: of adb.
            seconds: after which it is ended.
            chosen: it is for this device.
        """
        code, out, err = self._call(command, seconds=seconds, chosen=chosen)
        if code != 0:
            raise self._failed(command, f"{err}\n{out}")
        return out

    def _call(self, command: Sequence[str], *, seconds: float, chosen: bool) -> tuple[int, str, str]:
        chosen_by = ["-s", self.serial] if chosen else []
        try:
            done = subprocess.run(
                [self._binary, *chosen_by, *command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise AdbTimeoutError(
                f"adb {command[0]} did not end within {seconds:g} s",
                device=self.device,
                command=" ".join(command),
                serial=self.serial if chosen else "",
                hint="look whether the device hangs or sleeps; a slow one: connect and upload under [device.timeouts]",
            ) from error
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")

    def _failed(self, command: Sequence[str], output: str) -> AdbError:
        return classify(output, device=self.device, command=" ".join(command), serial=self._serial or "")

    def _error(self, kind: type[AdbError], message: str, hint: str | None) -> AdbError:
        return kind(message, device=self.device, serial=self._serial or "", hint=hint)


def _hint_of(serials: Sequence[str]) -> str:
    if serials:
        return f"write adb:{serials[0]}"
    return "check the cable and that USB debugging is on; edgeleak devices lists what is connected"
