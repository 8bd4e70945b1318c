"""Timing one model in the worker: a slice of runs at a time, or a cold start, on generated input."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from device_agent.errors import AgentError
from device_agent.runtimes import Array, InputSpec, Model, Profiled
from protos import MAX_MESSAGE_BYTES
from protos.edgeleak.v1 import agent_pb2

__all__ = ["benchmark"]

# One message of samples stays far below the smallest default message limit (4 MiB) of any client.
_GROUP_SAMPLES = 10_000
# A profile travels whole; that of a program with a thousand operators has a tenth of a megabyte.
_PROFILE_BYTES_MAX = MAX_MESSAGE_BYTES // 2


def benchmark(
    request: dict[str, Any],
    load: Callable[[], Model],
    send: Callable[[bytes], None],
    *,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> None:
    """Time one model and send what came out, as parts of `BenchmarkResponse`.

    Args:
        request: ``batch_size``, and either ``cold``, ``profile`` or a slice of runs. A slice ends after ``runs`` that
            took ``duration_ns`` in all, after ``runs_max`` runs, or with the run in which ``slice_ns`` pass. The first
            ``settle`` runs are not counted: after a pause, the caches hold something else.
        load: gives the model; for ``cold``, it has to load it anew.
        send: takes one serialised message; between runs only.
        clock: nanoseconds that only grow.

    Raises:
        AgentError: INVALID_ARGUMENT where the input outgrows a message, FAILED_PRECONDITION where the runtime records
            no profiles, or what the model raises.
    """
    if request["profile"]:
        send(agent_pb2.BenchmarkResponse(profile=_profile(load(), request["batch_size"])).SerializeToString())
        return
    if request["cold"]:
        cold_start = _cold_start(load, request["batch_size"], clock)
        send(agent_pb2.BenchmarkResponse(cold_start=cold_start).SerializeToString())
        return
    model = load()
    inputs = _generated(model.inputs, request["batch_size"])
    for _ in range(request["settle"]):
        model.run(inputs)
    samples = _slice(model, inputs, request, clock)
    for start in range(0, len(samples), _GROUP_SAMPLES):
        group = agent_pb2.BenchmarkSamples(kernel_time_ns=samples[start : start + _GROUP_SAMPLES])
        send(agent_pb2.BenchmarkResponse(samples=group).SerializeToString())


def _cold_start(load: Callable[[], Model], batch_size: int, clock: Callable[[], int]) -> agent_pb2.ColdStart:
    before = clock()
    model = load()
    loaded = clock()
    inputs = _generated(model.inputs, batch_size)
    ready = clock()
    # By the clock, not the kernel's own time: what the first run allocates is part of what it costs.
    model.run(inputs)
    return agent_pb2.ColdStart(load_ns=loaded - before, first_inference_ns=clock() - ready)


def _profile(model: Model, batch_size: int) -> bytes:
    if not isinstance(model, Profiled):
        raise AgentError("FAILED_PRECONDITION", "the runtime of this file records no profiles on this device")
    dump = model.profile(_generated(model.inputs, batch_size))
    if len(dump) > _PROFILE_BYTES_MAX:
        raise AgentError("RESOURCE_EXHAUSTED", f"the profile has {len(dump)} bytes, more than a message may have")
    return dump


def _slice(model: Model, inputs: Sequence[Array], request: dict[str, Any], clock: Callable[[], int]) -> list[int]:
    samples: list[int] = []
    spent, ends = 0, clock() + request["slice_ns"]
    while len(samples) < request["runs_max"] and (len(samples) < request["runs"] or spent < request["duration_ns"]):
        samples.append(model.run(inputs)[1])
        spent += samples[-1]
        if clock() >= ends:
            break
    return samples


def _generated(specs: Sequence[InputSpec], batch_size: int) -> list[Array]:
    shapes = [(batch_size, *(1 if axis is None else axis for axis in spec.shape)) for spec in specs]
    # In Python's integers, which do not overflow where a file declares absurd axes.
    size = sum(int(np.prod(shape, dtype=object)) * _bytes_each(spec) for spec, shape in zip(specs, shapes, strict=True))
    if size > MAX_MESSAGE_BYTES:
        raise AgentError(
            "INVALID_ARGUMENT",
            f"a batch of {batch_size} has {size} bytes, more than the {MAX_MESSAGE_BYTES} of the largest message; "
            "use a smaller batch",
        )
    return [_input(spec, shape, position) for position, (spec, shape) in enumerate(zip(specs, shapes, strict=True))]


def _bytes_each(spec: InputSpec) -> int:
    """Bytes of one element as a host would send it: float32 where the kernel's integers mean real numbers."""
    return 4 if spec.quantization is not None else spec.dtype.itemsize


def _input(spec: InputSpec, shape: tuple[int, ...], position: int) -> Array:
    """Input for timing: normal deviates, or zeros and ones, which are valid ids and masks of any text model."""
    random = np.random.default_rng(position)
    if spec.quantization is not None or spec.dtype.kind == "f":
        values: Array = random.standard_normal(shape, dtype=np.float32)
    else:
        values = random.integers(0, 2, shape, dtype=np.int64)
    return spec.prepare(values, position)
