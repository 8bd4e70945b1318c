"""What an agent says about its device and its artifacts, as the harness's own types."""

from __future__ import annotations

import math

from harness.devices._info import Board, DeviceInfo, Lease, Sandbox, Telemetry
from harness.devices._types import Signature, TensorInfo
from harness.plain import plain
from protos.edgeleak.v1 import agent_pb2
from protos.runtimes import by_number
from protos.tensors import name_of

__all__ = ["device_info", "signature", "telemetry"]

_OPTIONAL_TELEMETRY = (
    "temperature_celsius",
    "cpu_frequency_hz",
    "cpu_governor",
    "memory_available_bytes",
    "worker_resident_bytes",
    "worker_peak_bytes",
    "battery_level",
    "battery_temperature_celsius",
    "battery_charging",
)
# An agent that keeps the contract sends less; one that does not is cut short here.
_HOLDER_CHARACTERS = 128
_NAME_CHARACTERS = 256
_MISSING_SENTENCES = 16
_DELEGATES = 8
_CORES = 1024


def device_info(response: agent_pb2.GetDeviceInfoResponse, *, url: str) -> DeviceInfo:
    """What the device is.

    Args:
        response: of the agent.
        url: the device as the user named it.
    """
    return DeviceInfo(
        url=url,
        agent_version=plain(response.agent_version, length=_NAME_CHARACTERS),
        pid=response.pid,
        hostname=plain(response.hostname, length=_NAME_CHARACTERS),
        operating_system=plain(response.operating_system, length=_NAME_CHARACTERS),
        machine=plain(response.machine, length=_NAME_CHARACTERS),
        cpu_model=plain(response.cpu_model, length=_NAME_CHARACTERS),
        cpu_count=response.cpu_count,
        memory_total_bytes=response.memory_total_bytes,
        # A newer agent may have runtimes that this host cannot name.
        runtimes={
            row.name: plain(one.provider, length=_NAME_CHARACTERS)
            for one in response.runtimes
            if (row := by_number(one.runtime))
        },
        emulated=response.emulated,
        telemetry=telemetry(response.telemetry),
        max_message_bytes=response.max_message_bytes,
        max_store_bytes=response.max_store_bytes,
        sandbox=_sandbox(response.sandbox) if response.HasField("sandbox") else None,
        max_threads=response.max_threads or None,
        lease=_lease(response.lease) if response.HasField("lease") else None,
        board=_board(response.board) if response.HasField("board") else None,
        delegates={
            row.name: tuple(plain(name, length=_NAME_CHARACTERS) for name in one.delegates[:_DELEGATES])
            for one in response.runtimes
            if one.delegates and (row := by_number(one.runtime))
        },
    )


def telemetry(message: agent_pb2.Telemetry) -> Telemetry:
    """The board's state; what it does not report is None."""
    present = {name: getattr(message, name) for name in _OPTIONAL_TELEMETRY if message.HasField(name)}
    if "cpu_governor" in present:
        present["cpu_governor"] = plain(present["cpu_governor"], length=_NAME_CHARACTERS)
    return Telemetry(time_unix_ns=message.time_unix_ns, **present)


def signature(response: agent_pb2.DescribeArtifactResponse) -> Signature:
    """What a file takes and answers.

    Raises:
        ValueError: an axis, a scale or a batch size is impossible.
    """
    limit = response.batch_size_max if response.HasField("batch_size_max") else None
    if limit is not None and limit < 1:
        raise ValueError(f"a largest batch of {limit}")
    return Signature(
        inputs=tuple(_tensor_info(one) for one in response.inputs),
        outputs=tuple(_tensor_info(one) for one in response.outputs),
        inputs_known=response.inputs_known,
        outputs_known=response.outputs_known,
        batch_size_max=limit,
    )


def _sandbox(message: agent_pb2.Sandbox) -> Sandbox:
    return Sandbox(
        no_new_privileges=message.no_new_privileges,
        landlock_abi=message.landlock_abi,
        system_calls_filtered=message.system_calls_filtered,
        memory_limit_bytes=message.memory_limit_bytes,
        missing=tuple(plain(one, length=_NAME_CHARACTERS) for one in message.missing[:_MISSING_SENTENCES]),
    )


def _board(message: agent_pb2.Board) -> Board:
    said = {
        name: plain(getattr(message, name), length=_NAME_CHARACTERS)
        for name in ("model", "soc", "os_build", "abi")
        if message.HasField(name)
    }
    return Board(core_max_frequencies_hz=tuple(message.core_max_frequencies_hz[:_CORES]), **said)


def _lease(message: agent_pb2.Lease) -> Lease:
    return Lease(plain(message.holder, length=_HOLDER_CHARACTERS), max(0, message.remaining_ns) / 1e9)


def _tensor_info(message: agent_pb2.TensorInfo) -> TensorInfo:
    name = message.names[0] if message.names else ""
    if any(axis < -1 for axis in message.shape):
        raise ValueError(f"tensor {name!r} has shape {list(message.shape)}")
    if not message.HasField("scale"):
        return TensorInfo(name, name_of(message.data_type), tuple(message.shape))
    if not (math.isfinite(message.scale) and message.scale > 0):
        raise ValueError(f"tensor {name!r} has a scale of {message.scale}")
    return TensorInfo(name, name_of(message.data_type), tuple(message.shape), message.scale, message.zero_point)
