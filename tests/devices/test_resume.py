"""A stream that broke is opened again from the last answer; what is not safe to repeat is not."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import numpy as np
import pytest

from harness.devices import Timeouts, open_device
from harness.errors import DeviceLostError
from tests.device_agent.exported import Agent, Exported

PATIENT = Timeouts(connect=60.0, reconnect=60.0)


def test_a_stream_goes_on_with_an_agent_that_was_started_anew(
    start_agent: Callable[..., Agent], exported: Exported
) -> None:
    """No batch is lost, answered twice or changed; the file is put on the device again."""
    first = start_agent()
    artifact = exported.artifact("net.tflite")
    asked: list[int] = []

    def batches() -> object:
        for number in range(40):
            asked.append(number)
            yield number, exported.records(64)

    with open_device(first.url, timeouts=PATIENT) as device:
        device.deploy(artifact)
        numbers = []
        for answer in device.invoke([artifact], batches()):  # type: ignore[arg-type]
            numbers.append(answer.number)
            np.testing.assert_allclose(answer.outputs[artifact.key], exported.logits, atol=1e-5)
            if answer.number == 3:
                os.kill(first.process.pid, signal.SIGKILL)
                first.process.wait(10)
                start_agent("--listen", first.target)
    assert numbers == list(range(40))
    assert asked == list(range(40))


def test_a_device_that_stays_away_is_lost_after_the_time_for_reconnecting(agent: Agent, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    with open_device(agent.url, timeouts=Timeouts(connect=60.0, reconnect=1.0)) as device:
        device.deploy(artifact)
        answers = device.invoke([artifact], ((n, exported.records()) for n in range(10_000)))
        next(answers)
        os.kill(agent.process.pid, signal.SIGKILL)
        with pytest.raises(DeviceLostError, match="stopped answering during a stream of batches"):
            list(answers)


def test_a_benchmark_is_never_made_twice(start_agent: Callable[..., Agent], exported: Exported) -> None:
    """Its second half would find a warm device."""
    agent = start_agent()
    artifact = exported.artifact("net.tflite")
    with open_device(agent.url, timeouts=PATIENT) as device:
        device.deploy(artifact)
        killer = threading.Timer(1.0, lambda: os.kill(agent.process.pid, signal.SIGKILL))
        killer.start()
        with pytest.raises(DeviceLostError, match="benchmark of target/net/litert"):
            device.benchmark(artifact, runs=1, duration_s=30)
        killer.join()
