"""The agent's side of a benchmark: limits, the cool-down, and telemetry around the worker's samples."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import grpc

from device_agent import telemetry
from device_agent.blobs import Blob
from device_agent.errors import AgentError
from device_agent.supervisor import Supervisor, named, request_header
from protos.edgeleak.v1 import agent_pb2

__all__ = ["answers", "check"]

# The size of a number of runs beyond which the request is a mistake, not a measurement.
_RUNS_MAX = 1_000_000
_COOLDOWN_NS_MAX = 3600 * 10**9
# How often a pause looks whether the caller is still there.
_SLICE_SECONDS = 0.2


def check(request: agent_pb2.BenchmarkRequest) -> None:
    """Refuse what is a mistake and not a measurement.

    Raises:
        AgentError: INVALID_ARGUMENT naming the field and its range.
    """
    for name, value, limit in (
        ("runs", request.runs, _RUNS_MAX),
        ("batch_size", request.batch_size, _RUNS_MAX),
        ("cooldown_ns", request.cooldown_ns + 1, _COOLDOWN_NS_MAX),
    ):
        if not 0 < value <= limit:
            raise AgentError("INVALID_ARGUMENT", f"{name} is {value}, outside 1..{limit}")


def answers(
    request: agent_pb2.BenchmarkRequest, blob: Blob, worker: Supervisor, context: grpc.ServicerContext
) -> Iterator[agent_pb2.BenchmarkResponse]:
    """What a benchmark sends: telemetry, groups of samples, telemetry."""
    header = request_header(
        "benchmark",
        [blob],
        threads=request.threads,
        warmup_runs=request.warmup_runs,
        runs=request.runs,
        batch_size=request.batch_size,
    )
    _pause(request.cooldown_ns / 1e9, context)
    yield agent_pb2.BenchmarkResponse(telemetry=telemetry.read(worker.pid))
    with contextlib.closing(worker.stream(header, what=named([blob]), wanted=context.is_active)) as groups:
        for group in groups:
            yield agent_pb2.BenchmarkResponse(samples=agent_pb2.BenchmarkSamples.FromString(group))
    yield agent_pb2.BenchmarkResponse(telemetry=telemetry.read(worker.pid))


def _pause(seconds: float, context: grpc.ServicerContext) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if not context.is_active():
            raise AgentError("CANCELLED", "the caller left during the cooldown")
        time.sleep(min(left, _SLICE_SECONDS))
