"""Agents that break the contract: floods are cut, and what they write reaches no message raw."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import psutil
import pytest

from harness.devices import Timeouts, open_device
from harness.errors import DeviceError, ProtocolError
from protos import PROTOCOL_VERSION
from protos.edgeleak.v1 import agent_pb2, agent_pb2_grpc
from protos.wire import sealed
from tests.device_agent.exported import Exported

PACE = Timeouts(connect=30.0, idle=30.0, reconnect=0.5)
ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\x00"
GROWTH_BYTES = 300 * 1024**2

Answers = Callable[[], Iterable[bytes]]


class Liar(agent_pb2_grpc.AgentServiceServicer):
    """Holds every artifact; names everything with escape sequences."""

    # ruff: noqa: N802

    def GetDeviceInfo(
        self, request: agent_pb2.GetDeviceInfoRequest, context: grpc.ServicerContext
    ) -> agent_pb2.GetDeviceInfoResponse:
        return agent_pb2.GetDeviceInfoResponse(protocol_version=PROTOCOL_VERSION, hostname=ESCAPES, cpu_model=ESCAPES)

    def QueryArtifact(
        self, request: agent_pb2.QueryArtifactRequest, context: grpc.ServicerContext
    ) -> agent_pb2.QueryArtifactResponse:
        return agent_pb2.QueryArtifactResponse(held_bytes=1, complete=True)

    def DescribeArtifact(
        self, request: agent_pb2.DescribeArtifactRequest, context: grpc.ServicerContext
    ) -> agent_pb2.DescribeArtifactResponse:
        context.abort(grpc.StatusCode.INTERNAL, f"no {ESCAPES}")
        raise AssertionError("abort raises")

    def Benchmark(
        self, request: agent_pb2.BenchmarkRequest, context: grpc.ServicerContext
    ) -> Iterator[agent_pb2.BenchmarkResponse]:
        samples = agent_pb2.BenchmarkSamples(kernel_time_ns=[1] * 10_000)
        yield from itertools.repeat(agent_pb2.BenchmarkResponse(samples=samples))


class _Raw(grpc.ServerInterceptor):  # type: ignore[type-arg]  # only the stubs' takes arguments
    """Answers streams of batches with bytes as they are."""

    def __init__(self, handler: Any) -> None:
        self._handler = handler

    def intercept_service(self, continuation: Callable[[Any], Any], details: grpc.HandlerCallDetails) -> Any:
        return self._handler if str(details.method).endswith("/Invoke") else continuation(details)


@contextmanager
def lying(answers: Answers) -> Iterator[str]:
    """An agent in this process that answers every stream of batches so; its address as a device."""

    def invoke(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        yield from answers()

    server = grpc.server(ThreadPoolExecutor(4), interceptors=[_Raw(grpc.stream_stream_rpc_method_handler(invoke))])
    agent_pb2_grpc.add_AgentServiceServicer_to_server(Liar(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


def message(**fields: object) -> bytes:
    response = agent_pb2.InvokeResponse(**fields)  # type: ignore[arg-type]
    return sealed([response.SerializeToString()])


SIGN = message(waiting=agent_pb2.Waiting(holder=ESCAPES))
UNASKED = message(batches=[agent_pb2.BatchAnswer(number=number) for number in range(100_000)])
UNSEALED = agent_pb2.InvokeResponse(waiting=agent_pb2.Waiting()).SerializeToString()


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (SIGN, "signs of life"),
        (UNASKED, "batches were answered as"),
        (sealed([b"\xff\xff"]), "no message of the contract"),
        (UNSEALED, "damaged on its way"),
    ],
    ids=["signs of life", "answers", "no message", "no checksum"],
)
def test_a_flood_of_answers_is_cut_without_growing_the_host(exported: Exported, answer: bytes, complaint: str) -> None:
    artifact = exported.artifact("net.tflite")
    host = psutil.Process(os.getpid())
    with lying(lambda: itertools.repeat(answer)) as url, open_device(url, timeouts=PACE) as device:
        before = host.memory_info().rss
        with pytest.raises(DeviceError, match=complaint) as error:
            list(device.invoke([artifact], [(0, exported.records())]))
        assert host.memory_info().rss - before < GROWTH_BYTES
    assert url in str(error.value)
    assert str(error.value).isprintable()


def test_a_flood_of_samples_is_cut_without_growing_the_host(exported: Exported) -> None:
    host = psutil.Process(os.getpid())
    with lying(list) as url, open_device(url, timeouts=PACE) as device:
        before = host.memory_info().rss
        with pytest.raises(ProtocolError, match="more than 1000000 samples"):
            device.benchmark(exported.artifact("net.tflite"), runs=10, duration_s=1.0)
        assert host.memory_info().rss - before < GROWTH_BYTES


def test_escape_sequences_of_an_agent_reach_no_message_raw(exported: Exported) -> None:
    with lying(list) as url, open_device(url, timeouts=PACE) as device:
        info = device.info()
        assert info.hostname.isprintable()
        assert info.cpu_model.isprintable()
        with pytest.raises(DeviceError) as error:
            device.describe(exported.artifact("net.tflite"))
        assert str(error.value).isprintable()
        assert "no \\x1b[2J" in str(error.value)
