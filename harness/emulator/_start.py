"""Starts a phone: the image where it is not there yet, qemu, the boot, and adb's connection to it."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from harness.cache import locked
from harness.emulator import _cpio, _guest, _image, _phones
from harness.emulator._image import Image, Say
from harness.emulator._monitor import SOCKET
from harness.emulator._phones import Emulator
from harness.errors import DependencyError, DeviceUnavailableError, StorageError, UsageError
from harness.plain import plain
from harness.remote.adb import find_adb
from harness.remote.adb_errors import AdbError

__all__ = ["BOOT_SECONDS", "missing_packages", "phone", "start"]

# It takes 5 s on a computer that does nothing else.
BOOT_SECONDS = 120.0
_QEMU = "qemu-system-aarch64"
# Of the guest, in MB; half of it may become files of the shell's user.
_MEMORY = 2048
# Above the ports at which the adb server looks for Android's emulators by itself.
_FIRST_PORT = 15_555
_PORTS_OF_ADB = range(5554, 5683)
_TRIES = 64
# qemu says at once that it does not start; its second process writes its number before the first ends.
_QEMU_SECONDS = 60.0
_POLL_SECONDS = 0.1
_TAIL_LINES = 5
_DEVICE = "arm64-emulated"


def missing_packages() -> list[str]:
    """Debian packages that have the programs which this computer lacks."""
    missing = [] if shutil.which(_QEMU) else ["qemu-system-arm"]
    try:
        find_adb()
    except DependencyError:
        missing.append("adb")
    return missing


def phone(say: Say | None = None) -> Emulator:
    """A phone that runs, or a new one where none does; adb is connected to it.

    Args:
        say: is told what happens.

    Raises:
        EdgeleakError: see `start`.
    """
    with locked(_image.root() / "first"):
        for found in _phones.running():
            found.adb().require()
            return found
        return start(say=say)


def start(
    port: int | None = None,
    *,
    extra: Mapping[str, bytes] | None = None,
    seconds: float = BOOT_SECONDS,
    say: Say | None = None,
) -> Emulator:
    """Start an emulated phone and wait until adb is connected to it. It outlives this process; `stop` ends it.

    Args:
        port: of loopback for its adbd; None picks a free one.
        extra: programs to add to it, by their paths without a slash before them.
        seconds: for its boot, once its image is there.
        say: is told what happens, with the seconds since the start.

    Raises:
        DependencyError: a program is not installed.
        UsageError: the port cannot be used, or this machine knows no source of Debian.
        StorageError: there is no room.
        DeviceUnavailableError: it does not start; the message has the end of its console.
    """
    began = time.monotonic()

    def tell(text: str) -> None:
        if say is not None:
            say(f"{time.monotonic() - began:5.1f} s: {text}")

    if missing := missing_packages():
        raise DependencyError(
            f"the emulated phone needs programs that are not installed: {', '.join(missing)}",
            hint=f"apt-get install --no-install-recommends {' '.join(missing)}",
        )
    _check(port)
    image = _image.image(tell)
    tell("starting qemu")
    until = time.monotonic() + seconds
    started = _launched(port, image, extra or {})
    try:
        _await_adbd(started, until, seconds)
        tell("adbd runs")
        _connect(started, until, seconds)
    except BaseException:
        _phones.stop(started)
        raise
    tell(f"adb is connected to {started.serial}")
    return started


def _check(port: int | None) -> None:
    if port is None:
        return
    if port in _PORTS_OF_ADB:
        raise UsageError(
            f"port {port}: at {_PORTS_OF_ADB[0]} to {_PORTS_OF_ADB[-1]} adb looks for emulators of Android, and would "
            "list the phone twice",
            hint=f"choose another, e.g. {_FIRST_PORT}",
        )
    if not 1024 <= port <= 65535:
        raise UsageError(f"port {port} cannot be used", hint="choose one from 1024 to 65535")
    if any(one.port == port for one in _phones.running()):
        raise UsageError(f"port {port}: an emulated phone runs there", hint="edgeleak emulator stop ends it")
    if not _free(port):
        raise UsageError(f"port {port} of 127.0.0.1 is taken", hint="choose another, or leave it out")


def _launched(port: int | None, image: Image, extra: Mapping[str, bytes]) -> Emulator:
    """The running qemu, at the port or at the first that is free."""
    with locked(_phones.places()):
        ports = [port] if port is not None else range(_FIRST_PORT, _FIRST_PORT + _TRIES)
        taken = {one.port for one in _phones.running()}
        for candidate in ports:
            if candidate not in taken and _free(candidate):
                return _qemu(candidate, image, extra)
    raise UsageError(f"no port of {ports[0]} to {ports[-1]} is free", hint="choose one with --port")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # As qemu does: what an ended phone left behind does not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _qemu(port: int, image: Image, extra: Mapping[str, bytes]) -> Emulator:
    folder = _phones.place(port)
    # Of a phone that has ended: nobody is at its port.
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(mode=0o700)
        initramfs = _with(extra, image.initramfs, folder) if extra else image.initramfs
    except OSError as error:
        raise StorageError(f"{folder}: cannot be written: {error.strerror}", hint="make room") from error
    network = f"user,id=net,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:{port}-:5555"
    command = [
        *(_QEMU, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-daemonize"),
        *("-sandbox", "on,obsolete=deny,resourcecontrol=deny"),
        *("-machine", "virt", "-cpu", "cortex-a76", "-smp", "2", "-m", str(_MEMORY)),
        *("-kernel", str(image.kernel), "-initrd", str(initramfs)),
        *("-append", "console=ttyAMA0 quiet panic=-1"),
        *("-netdev", network, "-device", "virtio-net-pci,id=network,netdev=net,romfile="),
        # Paths without the folder's: qemu begins in it, and a comma in it would divide options.
        *("-serial", "file:console.log", "-qmp", f"unix:{SOCKET},server=on,wait=off", "-pidfile", "qemu.pid"),
    ]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_QEMU_SECONDS,
            check=False,
        )
        pid = int((folder / "qemu.pid").read_text()) if done.returncode == 0 else 0
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise DeviceUnavailableError(f"qemu does not start: {error}", device=_DEVICE) from error
    if done.returncode != 0:
        shutil.rmtree(folder, ignore_errors=True)
        said = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}"
        reason = plain(said, length=300)
        hint = "free memory: the phone takes up to 2 GB" if re.search("memory|allocate", reason) else None
        raise DeviceUnavailableError(f"qemu does not start: {reason}", device=_DEVICE, hint=hint)
    return _phones.record(port, pid)


def _with(extra: Mapping[str, bytes], initramfs: Path, folder: Path) -> Path:
    """The image and one more archive after it, which the kernel unpacks over it."""
    joined = folder / "initramfs.cpio"
    with joined.open("wb") as stream, initramfs.open("rb") as image:
        shutil.copyfileobj(image, stream)
        _cpio.write(stream, {path: _cpio.file(content, permissions=0o755) for path, content in extra.items()})
    return joined


def _await_adbd(phone: Emulator, until: float, seconds: float) -> None:
    while _guest.READY not in _console(phone):
        if not phone.alive:
            raise _failed(phone, "ended before adbd ran", None)
        if time.monotonic() > until:
            raise _failed(phone, f"did not boot within {seconds:g} s", "let the computer do less, then try again")
        time.sleep(_POLL_SECONDS)


def _connect(phone: Emulator, until: float, seconds: float) -> None:
    adb = phone.adb()
    while True:
        try:
            adb.connect(again=True)
            if adb.run("echo here", seconds=10.0).out.strip() == "here":
                return
        except AdbError as error:
            # adbd listens a moment after its start.
            if time.monotonic() > until:
                raise _failed(phone, f"adb was not connected within {seconds:g} s: {error.message}", None) from error
            if not phone.alive:
                raise _failed(phone, "ended before adb was connected", None) from error
        time.sleep(_POLL_SECONDS)


def _failed(phone: Emulator, message: str, hint: str | None) -> DeviceUnavailableError:
    lines = [line.strip() for line in _console(phone).splitlines() if line.strip()]
    # What the kernel says after it is about the machine's state alone.
    panic = next((number for number, line in enumerate(lines) if "Kernel panic" in line), None)
    shown = lines[-_TAIL_LINES:] if panic is None else lines[panic : panic + _TAIL_LINES]
    end = plain(" / ".join(shown), length=500) or "nothing"
    return DeviceUnavailableError(f"{message}; its console says: {end}", device=_DEVICE, hint=hint)


def _console(phone: Emulator) -> str:
    with contextlib.suppress(OSError):
        return phone.console.read_text(errors="replace")
    return ""
