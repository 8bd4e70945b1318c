"""Timing one model in the worker: warm-up, then runs, on generated input."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from device_agent.runtimes import Array, InputSpec, Model
from protos.edgeleak.v1 import agent_pb2

__all__ = ["benchmark"]

# Benchmark samples go out this often, so that the host sees progress, which a hung model does not make.
_GROUP_NS = 250_000_000
# One message of samples stays far below the smallest default message limit (4 MiB) of any client.
_GROUP_SAMPLES = 10_000


def benchmark(request: dict[str, Any], load: Callable[[], Model], send: Callable[[bytes], None]) -> None:
    """Time one model and send every group of samples.

    Args:
        request: counts of runs and the size of a batch.
        load: gives the model.
        send: takes one serialised message.
    """
    model = load()
    inputs = [_generated(spec, position, request["batch_size"]) for position, spec in enumerate(model.inputs)]
    for _ in range(request["warmup_runs"]):
        model.run(inputs)
    group: list[int] = []
    sent = time.perf_counter_ns()
    for _ in range(request["runs"]):
        group.append(model.run(inputs)[1])
        if time.perf_counter_ns() - sent > _GROUP_NS or len(group) >= _GROUP_SAMPLES:
            send(agent_pb2.BenchmarkSamples(kernel_time_ns=group).SerializeToString())
            group, sent = [], time.perf_counter_ns()
    if group:
        send(agent_pb2.BenchmarkSamples(kernel_time_ns=group).SerializeToString())


def _generated(spec: InputSpec, position: int, batch_size: int) -> Array:
    """Input for timing: normal deviates, or zeros and ones, which are valid ids and masks of any text model."""
    random = np.random.default_rng(position)
    shape = (batch_size, *(1 if axis is None else axis for axis in spec.shape))
    if spec.quantization is not None or spec.dtype.kind == "f":
        values: Array = random.standard_normal(shape, dtype=np.float32)
    else:
        values = random.integers(0, 2, shape, dtype=np.int64)
    return spec.prepare(values, position)
