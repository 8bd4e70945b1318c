"""Bounds of the agent: places for calls, silence, memory of batches and of models."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import grpc
import numpy as np
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from device_agent.errors import AgentError
from device_agent.loaded import LoadedModels
from device_agent.supervisor import Supervisor
from harness.devices._stream import Sender
from protos.edgeleak.v1 import agent_pb2
from tests.device_agent.exported import Agent, Caller, Exported, batch, header, served, status, with_checksum

SERVICE = "/edgeleak.v1.AgentService/"
STREAMS = 8
METHODS = ("GetDeviceInfo", "QueryArtifact", "DeleteArtifact", "DescribeArtifact", "Benchmark")


@pytest.fixture
def impatient() -> Iterator[Caller]:
    """An agent in this process that gives up silent streams after a second."""
    with served(Supervisor(limit_seconds=60), idle_seconds=1.0) as address:
        caller = Caller(address)
        with caller.channel:
            yield caller


class Silent:
    """A stream that says its header and then nothing until it is told to end."""

    def __init__(self, caller: Caller, digest: str) -> None:
        self._sender = Sender()
        self._sender.send(header([digest]))
        self.call = caller.stub.Invoke(iter(self._sender), timeout=120)

    def end(self) -> None:
        self._sender.end()
        self.call.cancel()


def healthy(agent: Caller) -> bool:
    stub = health_pb2_grpc.HealthStub(agent.channel)
    answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def test_health_and_questions_are_answered_while_all_streams_are_taken(agent: Agent, exported: Exported) -> None:
    digest = agent.upload(exported.path("net.tflite"))
    silent = [Silent(agent, digest) for _ in range(STREAMS)]
    try:
        refused = None
        for _ in range(200):
            try:
                agent.invoke([digest], [])
            except grpc.RpcError as error:
                refused = error.code()
                break
        assert refused is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert healthy(agent)
        assert agent.stub.GetDeviceInfo(agent_pb2.GetDeviceInfoRequest(), timeout=10).pid == agent.process.pid
    finally:
        for one in silent:
            one.end()


def test_silent_streams_give_their_places_back(impatient: Caller, exported: Exported) -> None:
    digest = impatient.upload(exported.path("net.tflite"))
    silent = [Silent(impatient, digest) for _ in range(STREAMS)]
    for one in silent:
        with pytest.raises(grpc.RpcError) as error:
            next(one.call)
        assert status(error)[0] in ("UNAVAILABLE", "RESOURCE_EXHAUSTED")
    assert len(impatient.invoke([digest], [{"args_0": exported.images}])) == 1


@pytest.mark.parametrize(
    "method", ["GetDeviceInfo", "QueryArtifact", "DeleteArtifact", "DescribeArtifact", "Benchmark"]
)
@pytest.mark.parametrize("message", [b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0f\x01"])
def test_a_malformed_question_is_an_invalid_argument(shared_agent: Agent, method: str, message: bytes) -> None:
    call = shared_agent.channel.unary_stream(SERVICE + method, None, None)
    with pytest.raises(grpc.RpcError) as error:
        list(call(message, timeout=10))
    code, details = status(error)
    assert code == "INVALID_ARGUMENT"
    assert "/" not in details


@pytest.mark.parametrize(
    ("digests", "threads", "reason"), [(2, 1, "named twice"), (1, (os.cpu_count() or 1) + 1, "ask for at most as many")]
)
def test_a_stream_that_asks_for_too_much_is_refused(
    shared_agent: Agent, exported: Exported, digests: int, threads: int, reason: str
) -> None:
    digest = shared_agent.upload(exported.path("net.tflite"))
    named = agent_pb2.InvokeHeader(sha256s=[digest] * digests, threads=threads)
    request = with_checksum(agent_pb2.InvokeRequest(header=named))
    with pytest.raises(grpc.RpcError) as error:
        list(shared_agent.stub.Invoke(iter([request]), timeout=10))
    code, details = status(error)
    assert code == "INVALID_ARGUMENT"
    assert reason in details


@pytest.mark.slow
def test_unread_streams_of_large_batches_stay_within_a_bound(agent: Agent, exported: Exported) -> None:
    """Sixteen MiB a message, eight streams, nobody reads: what was sent is far more than the agent may hold."""
    digest = agent.upload(exported.path("net.tflite"))
    process = psutil.Process(agent.process.pid)
    records = np.zeros((16 * 1024 * 1024 // 256, 1, 8, 8), np.float32)
    request = batch(0, {"args_0": records})
    before = process.memory_info().rss
    calls = [agent.stub.Invoke(iter([header([digest]), *[request] * 20]), timeout=120) for _ in range(STREAMS)]
    worst = before
    for _ in range(100):
        worst = max(worst, process.memory_info().rss)
        time.sleep(0.1)
    for call in calls:
        call.cancel()
    sent = STREAMS * 20 * records.nbytes
    print(f"{sent / 2**20:.0f} MiB were sent, the agent grew by {(worst - before) / 2**20:.0f} MiB")
    # The budget, and two messages of each stream in the forms that gRPC holds them in: far from what was sent.
    assert worst - before < 2**30 < sent / 2


def test_the_model_that_was_not_asked_for_the_longest_time_is_dropped(exported: Exported) -> None:
    def request(*names: str) -> dict[str, object]:
        artifacts = [exported.artifact(name) for name in names]
        rows = [{"sha256": a.sha256, "runtime": a.runtime, "path": str(a.path)} for a in artifacts]
        return {"threads": 1, "artifacts": rows}

    models = LoadedModels(max_bytes=1)
    (first,) = models.require(request("net.tflite"))
    assert models.require(request("net.tflite"))[0][1] is first[1]
    models.require(request("int8.tflite"))
    assert models.require(request("net.tflite"))[0][1] is not first[1]
    # One request's own models are loaded together all the same.
    both = models.require(request("net.tflite", "int8.tflite"))
    again = models.require(request("net.tflite", "int8.tflite"))
    assert [one[1] for one in both] == [one[1] for one in again]


def test_a_model_whose_file_is_gone_is_not_found(exported: Exported) -> None:
    rows = [{"sha256": "0" * 64, "runtime": "litert", "path": str(exported.folder / "gone.tflite")}]
    with pytest.raises(AgentError) as error:
        LoadedModels(max_bytes=1 << 30).require({"threads": 1, "artifacts": rows})
    assert error.value.code == "NOT_FOUND"
