"""The runs of an audit that every device does: one folder each, with the models and files of the whole shared.

::

    RUN/models, artifacts, ...            made once
    RUN/devices/<device>/                 an ordinary run of that device; what is made once is a link in it
    RUN/results/devices.json              what became of each device, and how they differ
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from harness import policy
from harness.audit.context import Context
from harness.audit.plan import MADE_ONCE
from harness.config import AuditConfig, DeviceConfig, ReportConfig
from harness.errors import EdgeleakError
from harness.results import DevicesFindings
from harness.store import Run

if TYPE_CHECKING:
    # Judging a finished run reads what stands here and no device.
    from harness.devices import DeviceInfo

__all__ = ["FINDINGS", "Replica", "Replicas", "findings_of", "folder_name", "is_replicated", "read_findings"]

FINDINGS = "results/devices.json"
# What is made once, and not by a device.
SHARED = (
    "models",
    "artifacts",
    "cache",
    "converted",
    "split.json",
    "tokenizer.json",
    "tokenizer.digests.json",
    *(f"{kind}/{stage}.json" for stage in MADE_ONCE for kind in ("results", "stages")),
)


@dataclass(eq=False)
class Replica:
    """One device's own run.

    Args:
        name: the device as the user named it.
        config: the audit on this device alone.
        run: its open folder.
        context: the device, and progress under its name.
        losses: how often the device was lost by this command.
        error: why it takes no part any more; None while it does.
        info: what the device says of itself; None where it was not asked.
        check: raises where the command was interrupted; called with every progress.
    """

    name: str
    config: AuditConfig
    run: Run
    context: Context
    losses: int = 0
    error: EdgeleakError | None = None
    info: DeviceInfo | None = None
    check: Callable[[], None] = lambda: None

    def is_done(self, stages: Iterable[str]) -> bool:
        """Whether these stages are whole."""
        return all(map(self.run.is_done, stages))


class Replicas:
    """The runs of all devices, opened together; use as a context manager.

    Args:
        config: the audit on several devices.
        run: its open folder.
        context: progress of the whole.
    """

    def __init__(self, config: AuditConfig, run: Run, context: Context) -> None:
        self._config = config
        self._run = run
        self._context = context
        self._stack = ExitStack()
        self.all: list[Replica] = []

    def __enter__(self) -> Self:
        try:
            for name in self._config.device.names:
                self.all.append(self._opened(name))
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _opened(self, name: str) -> Replica:
        own = of_device(self._config, name)
        run = self._stack.enter_context(Run.open(self._run.path("devices", folder_name(name)), own))

        def progress(label: str, done: int, total: int) -> None:
            replica.check()
            self._context.progress(f"{name}: {label}", done, total)

        context = Context(progress, own.device, say=self._context.say, devices=len(self._config.device.names))
        replica = Replica(name, own, run, self._stack.enter_context(context))
        return replica

    @property
    def active(self) -> list[Replica]:
        """Those whose device still takes part."""
        return [one for one in self.all if one.error is None]

    def link(self) -> None:
        """Let every device's run have what was made once."""
        for replica in self.all:
            for name in SHARED:
                _link(self._run.folder / name, replica.run.path(name))


def of_device(config: AuditConfig, name: str) -> AuditConfig:
    """The audit on one of its devices: the rules are those that are about it."""
    device = DeviceConfig(url=name, timeouts=config.device.timeouts)
    gate = policy.for_device(config.gate, name, alone=False)
    # The files that other programs read are those of the whole: a case of one device would be counted twice.
    return config.with_changes(device=device, gate=gate, report=ReportConfig(formats=("html",)))


def folder_name(name: str) -> str:
    """A device's folder: its name where that can be one, else what is left of it and the start of its digest."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "device"
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def is_replicated(config: AuditConfig, run: Run) -> bool:
    """Whether a run's results are those of several devices, each in a folder of its own.

    The configuration says so; where it names one device, the run does that has no answers of its own.
    """
    return config.device.replicates or ((run.folder / FINDINGS).exists() and not run.is_done("attack"))


def read_findings(run: Run) -> DevicesFindings:
    """What was found of the devices.

    Raises:
        RunError: nothing was yet, or it is damaged.
    """
    return DevicesFindings.from_json(run.read_json(FINDINGS))


def findings_of(run: Run) -> DevicesFindings | None:
    """The same; None where nothing was yet."""
    return read_findings(run) if (run.folder / FINDINGS).exists() else None


def _link(target: Path, place: Path) -> None:
    if place.is_symlink():
        place.unlink()
    if target.exists() and not place.exists():
        place.symlink_to(os.path.relpath(target, place.parent), target_is_directory=target.is_dir())
