"""Damaged connections: flipped bits are noticed and asked again, for a bounded time, and a benchmark is not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from harness.devices import Timeouts, open_device
from harness.errors import DeviceError, DeviceLostError
from tests.campaigns.link import DOWN, UP, Link
from tests.device_agent.exported import Agent, Exported
from tests.devices.streams import START, batches, endless

# Past the header of a stream and the questions before it, within the tensor of a batch of 300 records.
WITHIN_A_BATCH = 20_000


@contextmanager
def link_to(agent: Agent) -> Iterator[tuple[Link, str]]:
    """A link to the agent and its address as a device."""
    link = Link(int(agent.target.rpartition(":")[2]))
    try:
        yield link, f"grpc://127.0.0.1:{link.port}"
    finally:
        link.close()


@pytest.mark.parametrize("direction", [UP, DOWN])
def test_a_flipped_bit_changes_no_answer(shared_agent: Agent, exported: Exported, direction: str) -> None:
    artifact = exported.artifact("net.tflite")
    with link_to(shared_agent) as (link, url), open_device(url, timeouts=START) as device:
        device.deploy(artifact)
        sizes = [300] * 12
        wanted = [a.outputs[artifact.key] for a in device.invoke([artifact], batches(exported.records(3600), sizes))]
        for bit in range(4):
            link.flip(direction, WITHIN_A_BATCH, bit)
            answers = list(device.invoke([artifact], batches(exported.records(3600), sizes)))
            assert not link.pending()
            assert [answer.number for answer in answers] == list(range(12))
            for answer, values in zip(answers, wanted, strict=True):
                np.testing.assert_array_equal(answer.outputs[artifact.key], values)


@pytest.mark.parametrize("direction", [UP, DOWN])
def test_a_link_that_damages_everything_is_an_error_that_names_the_device(
    shared_agent: Agent, exported: Exported, direction: str
) -> None:
    artifact, ended = exported.artifact("net.tflite"), threading.Event()
    timeouts = Timeouts(connect=60.0, reconnect=1.0)
    with link_to(shared_agent) as (link, url), open_device(url, timeouts=timeouts) as device:
        device.deploy(artifact)

        def damage() -> None:
            while not ended.wait(0.001):
                if not link.pending():
                    # Beyond the answers to questions, which are short.
                    link.flip(direction, 1000, 0)

        damaging = threading.Thread(target=damage)
        answers = device.invoke([artifact], endless(exported.records(300)))
        next(answers)
        damaging.start()
        try:
            with pytest.raises(DeviceError, match="damaged on its way") as error:
                for _ in answers:
                    pass
        finally:
            ended.set()
            damaging.join()
            link.heal()
        assert url in str(error.value)
        assert "stream of batches" in str(error.value)


def test_a_benchmark_whose_connection_broke_is_not_made_again(shared_agent: Agent, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    with link_to(shared_agent) as (link, url), open_device(url, timeouts=START) as device:
        device.deploy(artifact)
        # The first telemetry and samples come back, then the connection ends.
        link.after(DOWN, 400, link.cut)
        with pytest.raises(DeviceLostError, match="benchmark of target/net/litert"):
            device.benchmark(artifact, runs=10, duration_s=5.0)
        # The device itself is well, and its next benchmark is one of its own.
        assert device.benchmark(artifact, runs=10).samples_ns.shape == (10,)
