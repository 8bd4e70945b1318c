"""What a pool costs over the one agent that it asks: the same stream through both.

Run with ``pytest benchmarks/test_pool.py -s``. A pool of one shows what the sharing costs; a pool of two agents on
one computer shows that it is not slower for it, and says nothing about how fast two devices are. Rounds take turns, so
that a busy machine slows all alike, and medians are compared.
"""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

from benchmarks.test_collection import agent
from harness.devices import Device, Timeouts, open_device, open_split
from harness.types import Artifact, Records, TensorSpec
from tests.end_to_end.hand_made import Linear, litert_float

ROUNDS = 9
SHAPE, CLASSES = (32, 32, 3), 10
# Batches of a round: a stream's set-up must not count.
BATCHES = {1: 4000, 64: 300}


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    rng = np.random.default_rng(0)
    size = int(np.prod(SHAPE))
    linear = Linear(rng.normal(size=(CLASSES, size)).astype(np.float32), np.zeros(CLASSES, np.float32), SHAPE)
    path = tmp_path_factory.mktemp("pool") / "linear.tflite"
    litert_float(path, linear)
    content = path.read_bytes()
    spec, output = TensorSpec("inputs", "float32", SHAPE), TensorSpec("", "float32", (CLASSES,))
    digest = hashlib.sha256(content).hexdigest()
    return Artifact("target", "original", "litert", path, digest, len(content), (spec,), output)


@pytest.fixture(scope="module")
def devices() -> Iterator[dict[str, Device]]:
    """One agent, a pool of that agent alone, and a pool of it and another one."""
    timeouts = Timeouts(connect=60)
    with ExitStack() as stack:
        first, second = (f"grpc://127.0.0.1:{stack.enter_context(agent())}" for _ in range(2))
        made: dict[str, Device] = {
            "agent": open_device(first, timeouts=timeouts),
            "pool of one": open_split([first], say=print, timeouts=timeouts),
            "pool of two": open_split([first, second], say=print, timeouts=timeouts),
        }
        for device in made.values():
            stack.enter_context(device)
        yield made


@pytest.mark.parametrize("batch_size", [1, 64])
def test_a_pool_over_its_agent(benchmark: Any, artifact: Artifact, devices: dict[str, Device], batch_size: int) -> None:
    count = BATCHES[batch_size]
    images = np.random.default_rng(0).random((64, *SHAPE), dtype=np.float32)
    records = Records({"inputs": images}, np.zeros(64, dtype=np.int64), np.arange(64)).take(slice(0, batch_size))
    seconds: dict[str, list[float]] = {name: [] for name in devices}
    for device in devices.values():
        device.deploy(artifact)

    def run(name: str) -> bytes:
        began = time.perf_counter()
        batches = ((number, records) for number in range(count))
        answers = [answer.outputs[artifact.key] for answer in devices[name].invoke([artifact], batches)]
        seconds[name].append(time.perf_counter() - began)
        return np.concatenate(answers).tobytes()

    def all_in_turn() -> None:
        assert len({run(name) for name in devices}) == 1

    benchmark.pedantic(all_in_turn, rounds=ROUNDS, warmup_rounds=1)
    each = {name: statistics.median(values[1:]) / count * 1e6 for name, values in seconds.items()}
    ratios = {name: each[name] / each["agent"] for name in each if name != "agent"}
    benchmark.extra_info.update(each, **ratios)
    print(
        f"\nbatch {batch_size}: agent {each['agent']:.0f} us a batch; "
        + "; ".join(f"{name} {each[name]:.0f} us (ratio {ratio:.2f})" for name, ratio in ratios.items())
        + f"; medians of {ROUNDS} rounds of {count}"
    )
