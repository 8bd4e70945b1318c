"""The devices that this host can name: what adb lists, emulated phones, paired boards, and this computer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from harness import emulator
from harness.devices import pairing
from harness.errors import DependencyError, EdgeleakError
from harness.plain import plain
from harness.remote.adb import Adb, AdbDevice, connected
from harness.remote.install import AgentStatus, status

__all__ = ["Listed", "listed"]

# One device that hangs delays the list no longer than this.
_ASK_SECONDS = 15.0
_AT_ONCE = 8
_HERE = "an emulated phone of this computer"
_FACTS = {
    "model": "ro.product.model",
    "abi": "ro.product.cpu.abi",
    "android": "ro.build.version.release",
    "booted": "sys.boot_completed",
}


@dataclass(frozen=True)
class Listed:
    """One device. What it says about itself is fit for a terminal.

    Args:
        device: as ``--device`` takes it.
        kind: ``adb``, ``emulated``, ``paired`` or ``local``.
        state: of adb, ``device`` where it can be used; ``paired``, or ``ready``.
        model: as the device calls itself; None where it does not say, as of the others.
        abi: of its system, e.g. ``arm64-v8a``.
        android: version of Android.
        agent: what of ours is there; None where that is not known.
        note: what stands in the way, or what else there is to say.
    """

    device: str
    kind: str
    state: str
    model: str | None = None
    abi: str | None = None
    android: str | None = None
    agent: AgentStatus | None = None
    note: str | None = None

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {**asdict(self), "agent": None if self.agent is None else self.agent.to_json()}

    def line(self) -> str:
        """For a person: the name, the state, and what is known."""
        android = f"Android {self.android}" if self.android else None
        known = ", ".join(part for part in (self.model, self.abi, android) if part)
        parts = [part for part in (known, self._agent(), self.note) if part]
        return f"{self.device}  {self.state}" + (f"  {'; '.join(parts)}" if parts else "")

    def _agent(self) -> str | None:
        if self.agent is None:
            return None
        version = self.agent.version
        if version is None:
            return "no agent"
        return f"agent {version} {'runs' if self.agent.running else 'is installed'}"


def listed() -> list[Listed]:
    """Every device that this host can name, the phones first; those that can be used are asked about themselves."""
    emulated = frozenset(phone.serial for phone in emulator.running())
    try:
        rows: Sequence[AdbDevice] = connected()
    except DependencyError as error:
        # Who audits boards alone needs no adb.
        phones = [Listed("adb", "adb", "not installed", note=error.hint)]
    except EdgeleakError as error:
        phones = [Listed("adb", "adb", "not usable", note=str(error))]
    else:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="devices") as threads:
            phones = list(threads.map(lambda row: _phone(row, emulated=row.serial in emulated), rows))
    return [*phones, *_paired(), Listed("local", "local", "ready", abi=os.uname().machine)]


def _phone(row: AdbDevice, *, emulated: bool) -> Listed:
    name, kind = f"adb:{row.serial}", "emulated" if emulated else "adb"
    try:
        with Adb(row.serial, device=name) as adb:
            adb.check(row)
            asked = "; ".join(f'echo "{word} $(getprop {key} 2>/dev/null)"' for word, key in _FACTS.items())
            lines = adb.run(asked, seconds=_ASK_SECONDS, again=True).out.splitlines()
            said = dict(plain(line, length=100).partition(" ")[::2] for line in lines)
            agent = status(adb, seconds=_ASK_SECONDS)
    except EdgeleakError as error:
        note = error.message.removeprefix(f"{name}: ") + (f" ({error.hint})" if error.hint else "")
        return Listed(name, kind, row.state, model=row.model or None, note=note)
    return Listed(
        name,
        kind,
        row.state,
        model=said.get("model") or row.model or None,
        abi=said.get("abi") or agent.machine or None,
        android=said.get("android") or None,
        agent=agent,
        note="boots yet" if said.get("android") and said.get("booted") != "1" else _HERE if emulated else None,
    )


def _paired() -> list[Listed]:
    rows = []
    for one in pairing.pairings():
        for host in one.hosts:
            written = f"[{host}]" if ":" in host else host
            note = f"pairing {one.name}, until {one.expires.date()}"
            rows.append(Listed(f"grpc://{written}:50051", "paired", "paired", note=note))
    return rows
