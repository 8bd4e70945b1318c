"""The agent's life on a machine over adb or ssh: installed, started, found again, stopped, and removed."""

from __future__ import annotations

import json
import re
import secrets
import tarfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from harness import __version__
from harness.errors import DeviceError, DeviceUnavailableError
from harness.plain import plain
from harness.remote import _scripts
from harness.remote.shell import Completed, Shell

__all__ = ["AgentStatus", "ensure", "install", "logs", "purge", "start", "status", "stop"]

# A question to a device; an emulated one takes seconds to start the programs of a script.
_STATUS_SECONDS = 30.0
# Unpacking took 16 s in an emulator, with nothing else running.
_UNPACK_SECONDS = 300.0
_STOP_SECONDS = 60.0
# The slowest link that is still one, as for artifacts.
_MIN_BYTES_PER_SECOND = 1024 * 1024
_PUSH_SECONDS = 60.0
# The start of an agent took 13 s in an emulator without its compiled modules.
_START_SECONDS = 90
# How often somebody else's start of the same agent is asked about.
_LOCKED_TRIES = 90
# Kept free for the artifacts and the log of an audit.
_SPARE_BYTES = 64 * 1024**2
_BLOCK_BYTES = 4096
_ARCHITECTURES = {"aarch64": "arm64", "arm64": "arm64", "x86_64": "x86_64", "amd64": "x86_64"}
_BUNDLE = re.compile(r"bundles/([0-9a-f]{16})/complete(?: (.*))?")

Progress = Callable[[str], None]


class _Bundle(Protocol):
    """What is read of a `harness.bundle.Bundle`."""

    @property
    def archive(self) -> Path: ...
    @property
    def digest(self) -> str: ...
    @property
    def manifest(self) -> Mapping[str, Any]: ...


BundleOf = Callable[[str], _Bundle]


@dataclass(frozen=True)
class AgentStatus:
    """What of ours is on a machine. Its texts come from there, and are fit for a terminal.

    Args:
        device: the machine as the user named it.
        home: the folder of ours there.
        machine: as ``uname -m`` says it.
        free_bytes: of the storage in which that folder lies; None where it is not known.
        used_bytes: by that folder.
        installed: name of each bundle there, the first 16 digits of its digest -> version of the agent in it.
        pid: of the agent that runs; None where none does.
        bundle: of that agent.
        ready: whether it listens.
    """

    device: str
    home: str
    machine: str
    free_bytes: int | None
    used_bytes: int
    installed: Mapping[str, str]
    pid: int | None
    bundle: str | None
    ready: bool

    @property
    def running(self) -> bool:
        """Whether an agent runs there and listens."""
        return self.pid is not None and self.ready

    @property
    def version(self) -> str | None:
        """Of the agent that runs, or of the one that is installed; None where there is none."""
        if self.bundle in self.installed and self.bundle is not None:
            return self.installed[self.bundle]
        return next(iter(self.installed.values()), None)

    @property
    def arch(self) -> str | None:
        """The architecture of a bundle for it; None where there is none."""
        return _ARCHITECTURES.get(self.machine)

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {**asdict(self), "running": self.running, "version": self.version, "arch": self.arch}


def status(shell: Shell, *, seconds: float = _STATUS_SECONDS) -> AgentStatus:
    """Look what of ours is on a machine.

    Args:
        shell: the machine.
        seconds: after which it is given up.

    Raises:
        DeviceError: it cannot be asked.
    """
    done = shell.run(_scripts.status(shell.home), seconds=seconds, again=True)
    _expect(shell, done, "looking for the agent")
    found: dict[str, str] = {}
    installed: dict[str, str] = {}
    for line in done.out.splitlines():
        word, _, value = plain(line, length=200).partition(" ")
        if word == "bundle" and (bundle := _BUNDLE.fullmatch(value)):
            installed[bundle[1]] = bundle[2] or ""
        else:
            found[word] = value
    free, used = _available(found.get("free", "")), _number(found.get("used", "").split(" ")[0])
    pid = _number(found.get("pid"))
    return AgentStatus(
        device=shell.device,
        home=shell.home,
        machine=found.get("machine", ""),
        free_bytes=None if free is None else free * 1024,
        used_bytes=(used or 0) * 1024,
        installed=installed,
        pid=pid,
        bundle=found.get("runs") if pid is not None else None,
        ready="ready" in found and "socket" in found,
    )


def ensure(shell: Shell, *, bundle_of: BundleOf | None = None, progress: Progress | None = None) -> AgentStatus:
    """Find the agent that runs on a machine, or start one, installed where it is not; one of another version is ended.

    Args:
        shell: the machine.
        bundle_of: makes the bundle of an architecture; None takes the cached one.
        progress: is told what is under way.

    Raises:
        DeviceError: it cannot be installed or started.
    """
    found = status(shell)
    if found.running and found.version == __version__:
        return found
    if found.running:
        (progress or _silent)(
            f"the agent on {shell.device} is {found.version}, this host {__version__}: it is replaced"
        )
    return start(shell, bundle_of=bundle_of, progress=progress)


def install(
    shell: Shell, *, bundle_of: BundleOf | None = None, progress: Progress | None = None
) -> tuple[str, AgentStatus]:
    """Put this host's agent on a machine, unless it is there; the name of its bundle, and what was found before.

    Args:
        shell: the machine.
        bundle_of: makes the bundle of an architecture; None takes the cached one.
        progress: is told what is under way.

    Raises:
        DeviceError: there is no bundle for it, no room, or the link broke.
    """
    found = status(shell)
    if found.arch is None:
        raise DeviceError(
            f"there is no agent for a machine {found.machine or 'that does not say what it is'}",
            device=shell.device,
            hint="a bundle is made for 64-bit ARM (aarch64) and x86-64 with a 64-bit system",
        )
    bundle = (bundle_of or _cached(progress))(found.arch)
    name = bundle.digest[:16]
    if name in found.installed:
        return name, found
    _require_room(shell, found, bundle)
    _expect(shell, shell.run(_scripts.prepare(shell.home), seconds=_STATUS_SECONDS, again=True), "making its folder")
    size = bundle.archive.stat().st_size
    say = progress or _silent
    # Two hosts, or two commands, may install at the same time.
    upload = f"{name}.{secrets.token_hex(4)}.tar.gz"
    version = plain(_version_of(bundle.manifest), length=40)
    script = _scripts.unpack(shell.home, name=name, upload=upload, sha256=bundle.digest, version=version)
    for last in (False, True):
        say(f"sending the agent to {shell.device}: {size / 1e6:.0f} MB")
        shell.push(
            bundle.archive, f"{shell.home}/upload/{upload}", seconds=_PUSH_SECONDS + size / _MIN_BYTES_PER_SECOND
        )
        say(f"unpacking it on {shell.device}")
        done = shell.run(script, seconds=_UNPACK_SECONDS, again=True)
        # A copy that was damaged on its way is sent once more.
        if done.status != _scripts.REFUSED or last:
            break
    if "no space left" in f"{done.out}{done.err}".lower():
        raise _no_room(shell, found.free_bytes, _needed_bytes(bundle))
    _expect(shell, done, "unpacking the agent")
    return name, found


def start(
    shell: Shell,
    *,
    bundle_of: BundleOf | None = None,
    progress: Progress | None = None,
    seconds: int = _START_SECONDS,
) -> AgentStatus:
    """Start this host's agent on a machine, installed where it is not; one of another bundle is ended first.

    It goes on when this process ends, and when the connection does.

    Args:
        shell: the machine.
        bundle_of: makes the bundle of an architecture; None takes the cached one.
        progress: is told what is under way.
        seconds: that the start of the process may take.

    Raises:
        DeviceError: it cannot be installed, or does not start; the message ends with its log.
    """
    name, found = install(shell, bundle_of=bundle_of, progress=progress)
    if found.running and found.bundle == name:
        return found
    if found.running:
        stop(shell)
    (progress or _silent)(f"starting the agent on {shell.device}")
    script = _scripts.start(shell.home, name=name, seconds=seconds)
    for _ in range(_LOCKED_TRIES):
        done = shell.run(script, seconds=seconds + _STOP_SECONDS, again=True)
        if done.status != _scripts.LOCKED:
            break
        time.sleep(1.0)
    hint = f"edgeleak agent logs --device {shell.device} shows all that it said"
    if done.status == _scripts.TIMED_OUT:
        raise DeviceUnavailableError(f"the agent did not start within {seconds} s", device=shell.device, hint=hint)
    if done.status != 0:
        raise DeviceUnavailableError(f"the agent does not start: {done.said}", device=shell.device, hint=hint)
    found = status(shell)
    if not found.running:
        raise DeviceUnavailableError("the agent ended right after its start", device=shell.device, hint=hint)
    return found


def stop(shell: Shell) -> bool:
    """End the agent on a machine; False where none ran.

    Args:
        shell: the machine.

    Raises:
        DeviceError: it does not end, or the machine cannot be asked.
    """
    done = shell.run(_scripts.stop(shell.home), seconds=_STOP_SECONDS, again=True)
    _expect(shell, done, "stopping the agent")
    return "stopped" in done.out


def logs(shell: Shell, *, lines: int = 200, before: bool = False) -> list[str]:
    """The end of the agent's log, line by line and fit for a terminal.

    Args:
        shell: the machine.
        lines: at most so many.
        before: of the agent that ran before this one.

    Raises:
        DeviceError: the machine cannot be asked.
    """
    done = shell.run(_scripts.logs(shell.home, lines=lines, before=before), seconds=_STATUS_SECONDS, again=True)
    return [plain(line) for line in done.out.splitlines()[-lines:]]


def purge(shell: Shell) -> tuple[str, ...]:
    """End the agent and remove everything of ours from a machine; what else lies in our folder stays, and is returned.

    Args:
        shell: the machine.

    Raises:
        DeviceError: the machine cannot be asked.
    """
    done = shell.run(_scripts.purge(shell.home), seconds=_STOP_SECONDS, again=True)
    _expect(shell, done, "removing the agent")
    return tuple(plain(line, length=200) for line in done.out.splitlines() if not line.startswith("stopped "))


def _cached(progress: Progress | None) -> BundleOf:
    # Making bundles is imported where one is needed.
    from harness.bundle import cached_bundle

    return lambda arch: cached_bundle(arch, progress=progress)


def _require_room(shell: Shell, found: AgentStatus, bundle: _Bundle) -> None:
    needed = _needed_bytes(bundle)
    if found.free_bytes is not None and found.free_bytes < needed:
        raise _no_room(shell, found.free_bytes, needed)


def _no_room(shell: Shell, free_bytes: int | None, needed: int) -> DeviceError:
    free = "" if free_bytes is None else f", and {free_bytes / 1e6:.0f} MB are free"
    return DeviceError(
        f"no space left: the agent needs {needed / 1e6:.0f} MB for its installation in {shell.home}{free}",
        device=shell.device,
        hint=f"make room there; edgeleak agent purge --device {shell.device} removes all that edgeleak left",
    )


def _needed_bytes(bundle: _Bundle) -> int:
    """The archive and what it holds lie side by side for a moment."""
    with tarfile.open(bundle.archive) as archive:
        unpacked = sum(-(-member.size // _BLOCK_BYTES) * _BLOCK_BYTES + _BLOCK_BYTES for member in archive)
    return bundle.archive.stat().st_size + unpacked + _SPARE_BYTES


def _version_of(manifest: Mapping[str, Any]) -> str:
    """The agent's version, wherever a manifest of this version of edgeleak has it."""
    version = manifest.get("version")
    return version if isinstance(version, str) else json.dumps(version) if version is not None else "?"


def _expect(shell: Shell, done: Completed, doing: str) -> None:
    if done.status != 0:
        raise DeviceError(f"{doing} failed: {done.said}", device=shell.device, hint="edgeleak devices shows its state")


def _available(row: str) -> int | None:
    """Kilobytes that are free, of a row of ``df -k``: the number before the share that is used."""
    words = row.split()
    share = next((place for place, word in enumerate(words) if word.endswith("%")), 0)
    return _number(words[share - 1]) if share else None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 16 else None


def _silent(_: str) -> None:
    return None
