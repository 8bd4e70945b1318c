"""Leases: one session holds the device for timing, and others know who, for how long, and go on afterwards."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import grpc
import pytest

from harness.devices import Timeouts, open_device
from harness.errors import DeviceBusyError
from protos.edgeleak.v1 import agent_pb2
from protos.runtimes import RUNTIMES
from tests.device_agent.exported import Agent, Exported
from tests.devices.streams import START, endless

WAITS = Timeouts(connect=60.0, busy=60.0)
LEASE_ID = "0" * 32


def lease(agent: Agent, *, seconds: float, holder: str = "ann", lease_id: str = LEASE_ID) -> None:
    request = agent_pb2.AcquireLeaseRequest(lease_id=lease_id, holder=holder, duration_ns=int(seconds * 1e9))
    agent.stub.AcquireLease(request, timeout=10)


def refused(agent: Agent) -> str | None:
    """Why a short lease cannot be had; None where it can."""
    try:
        lease(agent, seconds=0.1)
    except grpc.RpcError as error:
        return str(error.details()) if error.code() is grpc.StatusCode.ABORTED else None
    return None


def test_others_are_told_who_holds_the_device_and_for_how_long(agent: Agent, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    with open_device(agent.url, timeouts=START) as mine, open_device(agent.url, timeouts=START) as other:
        other.deploy(artifact)
        with mine.lease(holder="ann@bench", seconds=60):
            held = other.info().lease
            assert held is not None
            assert held.holder == "ann@bench"
            assert 30 < held.remaining_s <= 60
            busy = r"the device is held by ann@bench for up to (60|5\d) s more"
            with pytest.raises(DeviceBusyError, match=busy):
                other.deploy(exported.artifact("int8.tflite"))
            with pytest.raises(DeviceBusyError, match=busy):
                other.benchmark(artifact, runs=1)
            with pytest.raises(DeviceBusyError, match=busy):
                list(other.invoke([artifact], [(0, exported.records())]))
            with pytest.raises(DeviceBusyError, match=busy), other.lease():
                pass
            # Its own calls go on.
            mine.deploy(exported.artifact("int8.tflite"))
            assert mine.benchmark(artifact, runs=3).samples_ns.shape == (3,)
        assert other.info().lease is None
        other.deploy(exported.artifact("int8.tflite"))


def test_who_likes_to_waits_for_the_lease_to_end(agent: Agent, exported: Exported) -> None:
    lease(agent, seconds=2)
    with open_device(agent.url, timeouts=WAITS) as other:
        other.deploy(exported.artifact("net.tflite"))
        with other.lease():
            assert len(list(other.invoke([exported.artifact("net.tflite")], [(0, exported.records())]))) == 1


def test_a_lease_ends_where_its_holder_died(agent: Agent, exported: Exported) -> None:
    lease(agent, seconds=0.5)
    time.sleep(0.6)
    with open_device(agent.url, timeouts=START) as other:
        other.deploy(exported.artifact("net.tflite"))


HOLDER = """
import sys, time
from harness.devices import Timeouts, open_device

with open_device(sys.argv[1], timeouts=Timeouts(connect=60)) as device, device.lease(seconds=3, holder="bob"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_holder_keeps_the_device_for_no_longer_than_its_lease(agent: Agent, exported: Exported) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, agent.url], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        # Longer than the lease: it prolongs itself.
        time.sleep(4)
        with open_device(agent.url, timeouts=WAITS) as other:
            held = other.info().lease
            assert held is not None
            assert held.holder == "bob"
            holder.kill()
            other.deploy(exported.artifact("net.tflite"))
            assert other.info().lease is None


def test_a_lease_prolongs_itself_while_it_is_held(agent: Agent, exported: Exported) -> None:
    with open_device(agent.url, timeouts=START) as mine, open_device(agent.url, timeouts=START) as other:
        with mine.lease(seconds=1.5):
            time.sleep(3)
            with pytest.raises(DeviceBusyError):
                other.deploy(exported.artifact("net.tflite"))
        other.deploy(exported.artifact("net.tflite"))


@pytest.mark.slow
def test_a_stream_of_another_host_pauses_and_is_never_a_lost_device(agent: Agent, exported: Exported) -> None:
    """Signs of life come more often than this host's patience with silence, and the lease lasts longer."""
    artifact = exported.artifact("net.tflite")
    with open_device(agent.url, timeouts=Timeouts(connect=60.0, idle=8.0)) as other:
        other.deploy(artifact)
        answers = other.invoke([artifact], endless(exported.records(300)))
        next(answers)
        lease(agent, seconds=12)
        began = time.monotonic()
        numbers = [next(answers).number for _ in range(20)]
        waited = time.monotonic() - began
        answers.close()
    assert numbers == list(range(1, 21))
    assert waited > 8


@pytest.mark.slow
def test_a_long_benchmark_of_another_host_is_never_a_lost_device(agent: Agent, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    with (
        open_device(agent.url, timeouts=START) as mine,
        open_device(agent.url, timeouts=Timeouts(connect=60.0, idle=8.0)) as other,
    ):
        other.deploy(artifact)
        timing = threading.Thread(target=lambda: mine.benchmark(artifact, runs=1, duration_s=12))
        timing.start()
        time.sleep(1)
        assert len(list(other.invoke([artifact], [(n, exported.records()) for n in range(5)]))) == 5
        timing.join(60)


@pytest.mark.parametrize(
    ("lease_id", "holder", "seconds"),
    [("x", "ann", 1), (LEASE_ID, "", 1), (LEASE_ID, "a" * 129, 1), (LEASE_ID, "\x1b[2J", 1), (LEASE_ID, "ann", 601)],
)
def test_an_impossible_lease_is_refused(shared_agent: Agent, lease_id: str, holder: str, seconds: float) -> None:
    with pytest.raises(grpc.RpcError) as error:
        lease(shared_agent, seconds=seconds, holder=holder, lease_id=lease_id)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_no_lease_begins_during_another_hosts_upload(agent: Agent, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    begun, go_on = threading.Event(), threading.Event()

    def requests() -> object:
        header = agent_pb2.UploadHeader(
            sha256=artifact.sha256, size_bytes=artifact.size_bytes, runtime=RUNTIMES["litert"].wire
        )
        yield agent_pb2.UploadArtifactRequest(header=header)
        begun.set()
        go_on.wait(60)
        yield agent_pb2.UploadArtifactRequest(chunk=artifact.path.read_bytes())

    upload = agent.stub.UploadArtifact.future(requests(), timeout=60)
    assert begun.wait(10)
    # The request is with gRPC; a moment later the agent has it.
    until = time.monotonic() + 10
    while refused(agent) is None:
        assert time.monotonic() < until, "the upload never counted"
    assert "another host's upload" in (refused(agent) or "")
    go_on.set()
    upload.result(60)
    lease(agent, seconds=0.1)
