"""What this machine can do: interpreter, packages, a real agent and its runtimes, adb, a browser, disk."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from rich.table import Table
from rich.text import Text

from harness import __version__
from harness.devices import Sandbox, machine, open_device
from harness.errors import EdgeleakError
from harness.plain import plain
from protos.runtimes import RUNTIMES

__all__ = ["Check", "Purpose", "examine", "table"]

# What somebody wants to do here: attack arrays, audit files that ship, train networks, or ask a phone.
Purpose = Literal["arrays", "files", "train", "phone"]
# Known to break the export path while merely installed.
HARMFUL_PACKAGES = {"torchvision": "breaks imports beside the CPU build of torch", "tflite-runtime": "needs numpy < 2"}
# A run of the bundled example takes a few megabytes; the export stack's temporary files take more.
MIN_FREE_BYTES = 1 << 30
# The interpreters that the package is made for, and the one that the export stack is.
OLDEST, NEWEST, EXPORTING = (3, 11), (3, 13), (3, 11)
# Forms of a device on which this host installs the agent.
MACHINES = ("adb", "emulator:", "arm64-emulated", "ssh:")
ADB_PORT = 5037
SELF_WITH_EXTRAS = re.compile(r"edgeleak\[([\w,-]+)\]")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Args:
        name: what.
        ok: whether it is there and right.
        found: what was found.
        advice: what to do about it, empty where all is well.
        required: whether what was asked for cannot work without it; what is not required breaks nothing.
    """

    name: str
    ok: bool
    found: str
    advice: str = ""
    required: bool = True

    @property
    def breaks(self) -> bool:
        """Whether what was asked for cannot work."""
        return self.required and not self.ok

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "name": self.name,
            "ok": self.ok,
            "required": self.required,
            "found": self.found,
            "advice": self.advice,
        }


def examine(device: str | None = None, *, purpose: Purpose | None = None) -> list[Check]:
    """Look at everything; takes a few seconds, since a real agent is started.

    Args:
        device: the device that must answer, as `harness.devices.open_device` takes it; None looks whether an agent of
            this computer's own would.
        purpose: what must work; None takes `arrays`, or `files` where a device is named.
    """
    wanted: Purpose = purpose or ("arrays" if device is None else "files")
    return [
        _interpreter(wanted),
        *_packages(wanted),
        *_adb(required=wanted == "phone"),
        *_agent(device or ("adb" if wanted == "phone" else "local"), required=wanted != "arrays"),
        _browser(),
        _disk(),
    ]


def table(checks: list[Check]) -> Table:
    """The checks as a table for the terminal; nothing in it is read as rich's markup."""
    view = Table(box=None, pad_edge=False)
    for column in ("", "check", "found", "advice"):
        view.add_column(column, overflow="fold")
    for check in checks:
        mark = "ok" if check.ok else "!!" if check.required else "--"
        view.add_row(*map(Text, (mark, check.name, plain(check.found), plain(check.advice))))
    return view


def _interpreter(wanted: Purpose) -> Check:
    here = sys.version_info[:2]
    exports = wanted == "train"
    ok = sys.implementation.name == "cpython" and (here == EXPORTING if exports else OLDEST <= here <= NEWEST)
    needed = "the export stack needs CPython 3.11" if exports else "CPython 3.11 to 3.13 is needed"
    found = f"{platform.python_implementation()} {platform.python_version()}"
    return Check("interpreter", ok, found, "" if ok else needed)


def _packages(wanted: Purpose) -> Iterator[Check]:
    # What is exported by default needs no ONNX.
    for name, (extra, purpose) in _optional_packages().items():
        installed = _version(name)
        required = wanted == "train" and "onnx" not in extra
        lacking = f"not installed: needed for {purpose}"
        yield Check(name, installed is not None, installed or lacking, "" if installed else _install(extra), required)
    for name, harm in HARMFUL_PACKAGES.items():
        if installed := _version(name):
            yield Check(name, False, installed, f"pip uninstall {name}: it {harm}", wanted in ("train", "files"))


def _optional_packages() -> dict[str, tuple[str, str]]:
    """Package -> the extra that brings it and what for: training, then what runs files, then what converts to them."""
    from harness.export import exporter

    extras = {"torch": ("train", "training")}
    for row in RUNTIMES.values():
        extras.setdefault(row.packages[0], (row.agent_extra, f"{row.suffix} files on this computer"))
    for row in RUNTIMES.values():
        for package in exporter(row.name).PACKAGES:
            extras.setdefault(package, (row.host_extra, f"export to {row.suffix}"))
    return extras


def _adb(*, required: bool) -> Iterator[Check]:
    """Whether adb is there, and which devices its server knows; no server is started for it."""
    from harness.remote.adb import connected

    program = shutil.which("adb")
    if program is None:
        advice = "install Android's platform tools, or your system's package adb"
        yield Check("adb", False, "not installed: needed for phones", advice, required)
        return
    port = os.environ.get("ANDROID_ADB_SERVER_PORT", "")
    try:
        with socket.create_connection(("127.0.0.1", int(port) if port.isdigit() else ADB_PORT), timeout=1):
            pass
    except OSError:
        yield Check("adb", not required, f"{program}; its server does not run", "adb start-server starts it", required)
        return
    try:
        rows = connected()
    except EdgeleakError as error:
        yield Check("adb", False, error.message, error.hint or "", required)
        return
    usable = [row for row in rows if row.state == "device"]
    found = ", ".join(f"{row.serial} ({row.state})" for row in rows) or "no device"
    advice = "" if usable or not required else "connect a phone with USB debugging, and accept this computer on it"
    yield Check("adb", bool(usable) or not required, f"{program}: {found}", advice, required)


def _agent(url: str, *, required: bool) -> list[Check]:
    checks: list[Check] = []
    try:
        if url.startswith(MACHINES):
            found_there, runs = _machine(url, required=required)
            checks.append(found_there)
            if not runs:
                advice = "the first audit there installs and starts it; before that: edgeleak agent install"
                return [*checks, Check("agent", False, "does not run there", advice, required=False)]
        with open_device(url) as device:
            info = device.info()
    except EdgeleakError as error:
        lacking = "" if required else "; needed for model files"
        return [*checks, Check("agent", False, f"{error.message}{lacking}", error.hint or "", required)]
    runtimes = ", ".join(info.runtimes.values())
    found = f"{url}, pid {info.pid}, {info.machine}: {runtimes or 'no runtime, which model files need'}"
    there = _install("litert") if url == "local" else f"on the device: pip install {_requirements('litert')}"
    agent = Check("agent", bool(info.runtimes), found, "" if info.runtimes else there, required)
    return [*checks, agent, _sandbox(info.sandbox)]


def _machine(url: str, *, required: bool) -> tuple[Check, bool]:
    """The phone or board itself, and whether this release's agent runs there: to look installs nothing."""
    from harness.remote import install

    with machine(url) as shell:
        found = install.status(shell)
    agent = f"agent {found.version}" if found.version else "no agent yet"
    free = "" if found.free_bytes is None else f", {found.free_bytes / 1e6:.0f} MB free"
    check = Check("device", True, f"{url}: {found.machine}{free}, {agent}", required=required)
    return check, found.running and found.version == __version__


def _sandbox(sandbox: Sandbox | None) -> Check:
    """What confines the device's models, and in the agent's words what does not."""
    if sandbox is None:
        advice = "install the same release of edgeleak on the device"
        return Check("sandbox", False, "the agent does not say", advice, required=False)
    parts = {
        "no new privileges": sandbox.no_new_privileges,
        f"files by Landlock {sandbox.landlock_abi}": sandbox.landlock_abi > 0,
        "system calls filtered": sandbox.system_calls_filtered,
        f"memory up to {sandbox.memory_limit_bytes / 1e9:.1f} GB": sandbox.memory_limit_bytes > 0,
    }
    found = ", ".join(part for part, holds in parts.items() if holds) or "none"
    return Check("sandbox", all(parts.values()), found, "; ".join(sandbox.missing), required=False)


def _browser() -> Check:
    from harness.report.pdf import find_browser

    try:
        return Check("browser", True, find_browser(), required=False)
    except EdgeleakError:
        lacking = "not installed: needed for report.pdf"
        return Check("browser", False, lacking, "install Chromium or Chrome", required=False)


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free
    ok = free >= MIN_FREE_BYTES
    return Check("disk", ok, f"{free / 2**30:.1f} GiB free here", "" if ok else "an audit wants about 1 GiB")


def _install(extra: str) -> str:
    """The command that brings an extra: of the checkout or of the wheel that this is, else its packages by name."""
    origin = _origin()
    place = Path(unquote(urlsplit(origin).path))
    if origin.startswith("file:") and place.is_dir():
        limits = place / "constraints.txt"
        return f'pip install "{place}[{extra}]"' + (f" -c {limits}" if limits.is_file() else "")
    if origin:
        return f'pip install "edgeleak[{extra}] @ {origin}"'
    return f"pip install {_requirements(extra)}"


def _origin() -> str:
    """Where pip took edgeleak from, as a URL; empty where it does not say."""
    try:
        text = importlib.metadata.distribution("edgeleak").read_text("direct_url.json")
        url = json.loads(text or "{}").get("url", "")
    except (PackageNotFoundError, ValueError, AttributeError):
        return ""
    return url if isinstance(url, str) else ""


def _requirements(extra: str) -> str:
    """The packages of an extra, each quoted for a shell, those of the extras that it names among them."""
    try:
        rows = importlib.metadata.requires("edgeleak") or []
    except PackageNotFoundError:
        rows = []
    wanted, seen, packages = [extra], set[str](), dict[str, None]()
    while wanted:
        one = wanted.pop(0)
        if one in seen:
            continue
        seen.add(one)
        for row in rows:
            name, _, marker = (part.strip() for part in row.partition(";"))
            if not re.search(rf"extra\s*==\s*['\"]{re.escape(one)}['\"]", marker):
                continue
            own = SELF_WITH_EXTRAS.match(name)
            if own is None:
                packages[name.replace(" ", "")] = None
            else:
                wanted += own[1].split(",")
    return " ".join(f'"{name}"' for name in packages) or f"the packages of the extra {extra}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
