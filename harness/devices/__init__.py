"""Devices: the only room that knows gRPC. `open_device` is its one door."""

from __future__ import annotations

from urllib.parse import urlsplit

from harness.devices._grpc import GrpcDevice
from harness.devices._local import LocalAgent
from harness.devices._types import (
    BatchAnswer,
    BenchmarkResult,
    Device,
    DeviceInfo,
    Signature,
    Telemetry,
    TensorInfo,
    Timeouts,
)
from harness.devices.fake import FakeDevice
from harness.errors import UsageError

__all__ = [
    "BatchAnswer",
    "BenchmarkResult",
    "Device",
    "DeviceInfo",
    "FakeDevice",
    "Signature",
    "Telemetry",
    "TensorInfo",
    "Timeouts",
    "check_url",
    "open_device",
]

_DEFAULT_TIMEOUTS = Timeouts()


def open_device(url: str, *, timeouts: Timeouts = _DEFAULT_TIMEOUTS) -> Device:
    """Connect to a device; use the result as a context manager.

    Args:
        url: ``local`` starts an agent on this machine and ends it afterwards; ``grpc://HOST:PORT`` names one that runs.
        timeouts: how long to wait for what.

    Raises:
        UsageError: the URL has none of these forms.
        DeviceUnavailableError: nothing answers there, or the local agent does not start.
        ProtocolError: the agent speaks another version of the contract.
    """
    if url == "local":
        agent = LocalAgent(url, start_seconds=timeouts.connect)
        return GrpcDevice(
            url,
            agent.target,
            timeouts=timeouts,
            alive=lambda: agent.alive,
            purge_on_close=False,
            on_close=agent.close,
        )
    return GrpcDevice(url, _target(url), timeouts=timeouts)


def check_url(url: str) -> None:
    """Raise unless a device's address has a known form; nothing is contacted.

    Raises:
        UsageError: it has none.
    """
    if url != "local":
        _target(url)


def _target(url: str) -> str:
    try:
        parts = urlsplit(url)
        known = parts.scheme == "grpc" and parts.hostname and parts.port and url == f"grpc://{parts.netloc}"
    except ValueError:
        known = False
    if not known or "@" in parts.netloc:
        raise UsageError(f"device {url!r} has no known form", hint="write local, or grpc://HOST:PORT")
    return parts.netloc
