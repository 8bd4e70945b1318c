"""Agents that end, hang or crash: a device is lost within seconds, and a slow one is not."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import cast

import grpc
import psutil
import pytest

from harness.devices import BatchAnswer, Timeouts, open_device, transports
from harness.devices._stream import Watch
from harness.devices.client import AgentClient
from harness.errors import DeviceError, DeviceLostError
from protos.edgeleak.v1 import agent_pb2
from tests.device_agent.exported import Agent, Exported, WatchedAgent, ended_by
from tests.devices.streams import START, Looked, batches, endless

IDLE = Timeouts(connect=60.0, idle=90.0)
# Longest batch that an agent allows unless it is told otherwise.
HUNG_SECONDS = 600.0


class Clock:
    """Seconds that grow when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("local", "advice"),
    [(False, "start the agent again and rerun"), (True, "rerun the same command, which starts an agent anew")],
)
def test_a_killed_agent_is_lost_within_seconds(agent: Agent, exported: Exported, local: bool, advice: str) -> None:
    artifact = exported.artifact("net.tflite")
    with open_device("local" if local else agent.url, timeouts=START) as device:
        device.deploy(artifact)
        answers = device.invoke([artifact], endless(exported.records()))
        next(answers)
        os.kill(device.info().pid, signal.SIGKILL)
        with pytest.raises(DeviceLostError, match="collected batches are kept") as error:
            for _ in answers:
                pass
        assert device.url in str(error.value)
        assert advice in str(error.value)
        with pytest.raises(DeviceLostError):
            device.info()


def test_a_hung_agent_is_lost_after_the_idle_time(agent: Agent, exported: Exported) -> None:
    artifact, clock, hung = exported.artifact("net.tflite"), Clock(), threading.Event()

    def time_passes() -> None:
        if hung.is_set():
            clock.now += IDLE.idle / 3

    connection = Looked(transports.connect(agent.url, timeouts=IDLE), time_passes)
    with AgentClient(agent.url, connection, timeouts=IDLE, clock=clock) as device:
        device.deploy(artifact)
        answers = device.invoke([artifact], endless(exported.records()))
        next(answers)
        agent.process.send_signal(signal.SIGSTOP)
        hung.set()
        with pytest.raises(DeviceLostError, match="no answer for 90 s"):
            for _ in answers:
                pass
        agent.process.send_signal(signal.SIGCONT)


def test_a_slow_consumer_is_not_a_lost_device(shared_agent: Agent, exported: Exported) -> None:
    artifact, clock, looked = exported.artifact("net.tflite"), Clock(), threading.Event()
    connection = Looked(transports.connect(shared_agent.url, timeouts=IDLE), looked.set)
    seen: list[BatchAnswer] = []
    with AgentClient(shared_agent.url, connection, timeouts=IDLE, clock=clock) as device:
        device.deploy(artifact)
        for answer in device.invoke([artifact], batches(exported.records(), [8] * 8)):
            if answer.number == 2:
                clock.now += 3600.0
                for _ in range(2):
                    looked.clear()
                    assert looked.wait(20)
            seen.append(answer)
    assert len(seen) == 8


def test_a_crashed_worker_is_an_error_and_the_device_goes_on(watched_agent: WatchedAgent, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    with open_device(watched_agent.url) as device:
        device.deploy(artifact)
        answers = device.invoke([artifact], endless(exported.records()))
        next(answers)
        # Stopped, it holds the next batch; idle, it would be replaced in silence.
        with (
            watched_agent.supervisor.worker_under_request(ended_by(signal.SIGKILL)),
            pytest.raises(DeviceError, match=r"worker died \(SIGKILL, perhaps out of memory\)"),
        ):
            for _ in answers:
                pass
        assert len(list(device.invoke([artifact], [(0, exported.records())]))) == 1


def test_a_hung_worker_does_not_keep_the_host_from_leaving(agent: Agent, exported: Exported) -> None:
    """Closing removes what was deployed; the removal does not wait for the batch of 600 s that the agent allows."""
    hung: list[psutil.Process] = []
    with open_device(agent.url, timeouts=START) as device:
        for name in ("net.tflite", "int8.tflite"):
            device.deploy(exported.artifact(name))
        answers = device.invoke([exported.artifact("net.tflite")], endless(exported.records()))
        next(answers)
        hung += psutil.Process(agent.process.pid).children()
        for worker in hung:
            worker.suspend()
        closing = time.monotonic()
    seconds = time.monotonic() - closing
    try:
        listed = agent.stub.ListArtifacts(agent_pb2.ListArtifactsRequest(), timeout=30).artifacts
        assert list(listed) == []
        assert seconds < HUNG_SECONDS / 10
    finally:
        answers.close()
        for worker in hung:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.resume()


class Call:
    """A call that notes that it was cancelled."""

    cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


@pytest.mark.parametrize(
    ("waited", "alive", "verdict"),
    [
        (10.0, True, None),
        (10.5, True, "no answer for 10 s"),
        (0.0, False, "the agent's process has ended"),
        (10.5, False, "the agent's process has ended"),
    ],
)
def test_the_watch_cancels_a_call_that_is_waited_for_in_vain(waited: float, alive: bool, verdict: str | None) -> None:
    clock, call = Clock(), Call()
    watch = Watch(cast(grpc.Call, call), idle_seconds=10.0, alive=lambda: alive, clock=clock)

    def answers() -> Iterator[int]:
        clock.now += waited
        watch.look()
        yield 7

    assert watch.wait_for(answers()) == 7
    assert watch.verdict == verdict
    assert call.cancelled is (verdict is not None)


def test_the_watch_never_cancels_a_call_that_nobody_waits_for() -> None:
    clock, call = Clock(), Call()
    watch = Watch(cast(grpc.Call, call), idle_seconds=10.0, alive=lambda: False, clock=clock)
    for _ in range(2):
        clock.now += 3600.0
        watch.look()
        assert (watch.verdict, call.cancelled) == (None, False)
    assert watch.wait_for(iter([7])) == 7
