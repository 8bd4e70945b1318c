"""What this machine can do: interpreter, packages, a real agent and its runtimes, disk."""

from __future__ import annotations

import platform
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.table import Table

from harness.devices import Sandbox, open_device
from harness.errors import EdgeleakError
from protos.runtimes import RUNTIMES

__all__ = ["Check", "examine", "table"]

# Known to break the export path while merely installed.
HARMFUL_PACKAGES = {"torchvision": "breaks imports beside the CPU build of torch", "tflite-runtime": "needs numpy < 2"}
# A run of the bundled example takes a few megabytes; the export stack's temporary files take more.
MIN_FREE_BYTES = 1 << 30


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Args:
        name: what.
        ok: whether an audit can rely on it.
        found: what was found.
        advice: what to do about it, empty where all is well.
    """

    name: str
    ok: bool
    found: str
    advice: str = ""

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {"name": self.name, "ok": self.ok, "found": self.found, "advice": self.advice}


def examine(device: str = "local") -> list[Check]:
    """Look at everything; takes a few seconds, since a real agent is started.

    Args:
        device: the device to ask, as `harness.devices.open_device` takes it.
    """
    return [_interpreter(), *_packages(), *_agent(device), _disk()]


def table(checks: list[Check]) -> Table:
    """The checks as a table for the terminal."""
    view = Table(box=None, pad_edge=False)
    for column in ("", "check", "found", "advice"):
        view.add_column(column, overflow="fold")
    for check in checks:
        view.add_row("ok" if check.ok else "!!", check.name, check.found, check.advice)
    return view


def _interpreter() -> Check:
    ok = sys.implementation.name == "cpython" and sys.version_info[:2] == (3, 11)
    advice = "" if ok else "constraints.txt and the export stack are made for CPython 3.11"
    return Check("interpreter", ok, f"{platform.python_implementation()} {platform.python_version()}", advice)


def _packages() -> list[Check]:
    checks = []
    for name, extra in _optional_packages().items():
        installed = _version(name)
        advice = "" if installed else f'pip install "edgeleak[{extra}]" -c constraints.txt'
        checks.append(Check(name, installed is not None, installed or "not installed", advice))
    for name, harm in HARMFUL_PACKAGES.items():
        if installed := _version(name):
            checks.append(Check(name, False, installed, f"pip uninstall {name}: it {harm}"))
    return checks


def _optional_packages() -> dict[str, str]:
    """Package -> the extra that brings it: training, then what runs files, then what converts to them."""
    from harness.export import exporter  # here, because it brings numpy and every command would wait for it

    extras = {"torch": "train"}
    for row in RUNTIMES.values():
        extras.setdefault(row.packages[0], row.agent_extra)
    for row in RUNTIMES.values():
        for package in exporter(row.name).PACKAGES:
            extras.setdefault(package, row.host_extra)
    return extras


def _agent(url: str) -> list[Check]:
    try:
        with open_device(url) as device:
            info = device.info()
    except EdgeleakError as error:
        return [Check("agent", False, error.message, error.hint or "")]
    runtimes = ", ".join(info.runtimes.values())
    advice = "" if info.runtimes else 'pip install "edgeleak[litert]" on the device'
    found = f"{url}, pid {info.pid}, {info.machine}: {runtimes or 'no runtime'}"
    return [Check("agent", bool(info.runtimes), found, advice), _sandbox(info.sandbox)]


def _sandbox(sandbox: Sandbox | None) -> Check:
    """What confines the device's models, and in the agent's words what does not."""
    if sandbox is None:
        return Check("sandbox", False, "the agent does not say", "install the same release of edgeleak on the device")
    parts = {
        "no new privileges": sandbox.no_new_privileges,
        f"files by Landlock {sandbox.landlock_abi}": sandbox.landlock_abi > 0,
        "system calls filtered": sandbox.system_calls_filtered,
        f"memory up to {sandbox.memory_limit_bytes / 1e9:.1f} GB": sandbox.memory_limit_bytes > 0,
    }
    found = ", ".join(part for part, holds in parts.items() if holds) or "none"
    return Check("sandbox", all(parts.values()), found, "; ".join(sandbox.missing))


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free
    ok = free >= MIN_FREE_BYTES
    return Check("disk", ok, f"{free / 2**30:.1f} GiB free here", "" if ok else "an audit wants about 1 GiB")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
