"""Benchmarks through a real agent, and what is refused of an agent that sends something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.devices import ColdStart, Device, FakeAgent
from harness.devices._timings import Timings
from harness.errors import InputError
from protos.edgeleak.v1 import agent_pb2
from tests.device_agent.exported import Exported
from tests.devices.files import placeholder

STATE = agent_pb2.BenchmarkResponse(telemetry=agent_pb2.Telemetry(time_unix_ns=1))
COLD = agent_pb2.BenchmarkResponse(cold_start=agent_pb2.ColdStart(load_ns=5, first_inference_ns=7))


def samples(*kernel_ns: int) -> agent_pb2.BenchmarkResponse:
    return agent_pb2.BenchmarkResponse(samples=agent_pb2.BenchmarkSamples(kernel_time_ns=kernel_ns))


def collected(request: agent_pb2.BenchmarkRequest, *responses: agent_pb2.BenchmarkResponse) -> Timings:
    timings = Timings(request)
    for response in responses:
        timings.add(response)
    return timings


def test_runs_go_on_for_the_time_that_was_asked_for(local_device: Device, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    local_device.deploy(artifact)
    result = local_device.benchmark(artifact, runs=5, duration_s=0.2, warmup_s=0.01)
    assert len(result.samples_ns) > 5
    assert result.samples_ns.sum() >= 0.2e9


def test_a_cold_start_comes_with_its_peak_of_memory(local_device: Device, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    local_device.deploy(artifact)
    assert local_device.benchmark(artifact, runs=5).cold_start is None
    result = local_device.benchmark(artifact, runs=5, cold=True)
    assert result.cold_start is not None
    assert result.cold_start.load_ns > 0
    assert result.cold_start.first_inference_ns > 0
    assert result.telemetry_after.worker_peak_bytes is not None
    assert result.telemetry_after.worker_peak_bytes > 1_000_000


def test_more_threads_than_cores_are_refused_with_their_number(local_device: Device, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    local_device.deploy(artifact)
    with pytest.raises(InputError, match="5000 threads"):
        local_device.benchmark(artifact, threads=5000)


def test_the_fake_agent_keeps_the_contract_of_benchmarks(tmp_path: Path) -> None:
    artifact = placeholder(tmp_path, "original")
    with FakeAgent(lambda *_: np.zeros((1, 3), np.float32)) as device:
        device.deploy(artifact)
        result = device.benchmark(artifact, runs=10, duration_s=0.02, cold=True)
    assert result.samples_ns.sum() == 20_000_000
    assert result.cold_start == ColdStart(1000, 1000)


def test_signs_of_life_add_nothing() -> None:
    request = agent_pb2.BenchmarkRequest(runs=3)
    waiting = agent_pb2.BenchmarkResponse(waiting=agent_pb2.Waiting(holder="audit"))
    result = collected(request, waiting, STATE, samples(), samples(1, 2), STATE, samples(), samples(3), STATE).result()
    assert result.samples_ns.tolist() == [1, 2, 3]
    assert len(result.telemetry) == 3


@pytest.mark.parametrize(
    ("responses", "message"),
    [
        ([STATE, samples(1, 2), STATE], "2 samples of 3 runs"),
        ([STATE, samples(1, 2, 3, 4), STATE], "4 samples of 3 runs"),
        ([STATE, samples(1, 2, 3)], "state of the board"),
        ([STATE, samples(1, -2, 3), STATE], "a run took -2 ns"),
        ([STATE, COLD, samples(1, 2, 3), STATE], "not asked for"),
    ],
)
def test_other_runs_than_were_asked_for_are_refused(responses: list[agent_pb2.BenchmarkResponse], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        collected(agent_pb2.BenchmarkRequest(runs=3), *responses).result()


def test_a_missing_or_second_cold_start_is_refused() -> None:
    request = agent_pb2.BenchmarkRequest(runs=1, cold=True)
    with pytest.raises(ValueError, match="no cold start"):
        collected(request, STATE, samples(1), STATE).result()
    with pytest.raises(ValueError, match="not asked for"):
        collected(request, STATE, COLD, COLD)


def test_a_flood_is_cut() -> None:
    request = agent_pb2.BenchmarkRequest(runs=3, duration_ns=10**9)
    with pytest.raises(ValueError, match="more than 1000000 samples"):
        collected(request, STATE, *[samples(*[1] * 10_000)] * 101)
    with pytest.raises(ValueError, match="more than 10000 states"):
        collected(request, *[STATE] * 10_001)
