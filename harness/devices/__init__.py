"""Devices: where artifacts run, behind one protocol; the only room that knows gRPC.

The face is :func:`open_device`. Tests use a :class:`FakeAgent` in a device's place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from harness.devices import transports
from harness.devices._info import Board, DeviceInfo, Lease, Sandbox, Telemetry
from harness.devices._types import (
    BatchAnswer,
    BenchmarkResult,
    ColdStart,
    Device,
    Signature,
    TensorInfo,
    Timeouts,
)
from harness.devices.client import AgentClient
from harness.devices.fake import FakeAgent
from harness.devices.pool import SplitDevice
from harness.remote.shell import Shell

__all__ = [
    "BatchAnswer",
    "BenchmarkResult",
    "Board",
    "ColdStart",
    "Device",
    "DeviceInfo",
    "FakeAgent",
    "Lease",
    "Sandbox",
    "Signature",
    "SplitDevice",
    "Telemetry",
    "TensorInfo",
    "Timeouts",
    "check_url",
    "machine",
    "open_device",
    "open_split",
]

_DEFAULT_TIMEOUTS = Timeouts()


def open_device(url: str, *, timeouts: Timeouts = _DEFAULT_TIMEOUTS) -> Device:
    """Connect to a device; use the result as a context manager.

    Args:
        url: ``local`` starts an agent on this machine and ends it afterwards; ``grpc://HOST:PORT`` names one that runs.
            `harness.devices.transports` has all forms.
        timeouts: how long to wait for what.

    Raises:
        UsageError: the URL has none of the known forms.
        DeviceUnavailableError: nothing answers there, or the local agent does not start.
        ProtocolError: the agent speaks another version of the contract.
    """
    return AgentClient(url, transports.connect(url, timeouts=timeouts), timeouts=timeouts)


def open_split(names: Sequence[str], *, say: Callable[[str], None], timeouts: Timeouts) -> SplitDevice:
    """Connect to several devices that share the work of one; use the result as a context manager.

    Args:
        names: as in :func:`open_device`, each once.
        say: is told, in one sentence each, which device was lost or left out, and why.
        timeouts: how long to wait for what, of each device.

    Raises:
        UsageError: a name has none of the known forms.
        DeviceError: none of the devices can be reached.
    """
    for name in names:
        check_url(name)
    return SplitDevice(names, partial(open_device, timeouts=timeouts), say=say)


def check_url(url: str) -> None:
    """Raise unless a device's address has a known form; nothing is contacted.

    Raises:
        UsageError: it has none.
    """
    transports.check(url)


def machine(url: str) -> Shell:
    """The machine on which this host installs the agent, by a device's address; use it as a context manager.

    Raises:
        UsageError: the address has none of the known forms, or names no such machine.
    """
    return transports.machine(url)
