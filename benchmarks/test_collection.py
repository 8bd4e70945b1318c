"""What collecting through the agent costs over the same interpreter in a plain loop in this process.

Run with ``pytest benchmarks/test_collection.py -s``. Both sides see the same records; rounds of the two alternate, so
that a busy machine slows both, and medians are compared.
"""

from __future__ import annotations

import hashlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.devices import Device, Timeouts, open_device
from harness.types import Artifact, Records, TensorSpec

ROUNDS = 7
SHAPE = (3, 32, 32)
# Records of one round: long enough that one stream's setup does not count, short enough for a handful of rounds.
RECORDS = {1: 512, 64: 2048}

# A small net for 32x32 images: 65 thousand parameters, about as long in the kernel as an audit's smallest target.
_MAKE = """
import sys, warnings; warnings.simplefilter("ignore")
import litert_torch, torch
from torch import nn
from torch.export import Dim, export
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        sizes = [(3, 32, 1), (32, 32, 2), (32, 64, 1), (64, 64, 2)]
        self.body = nn.Sequential(*(m for i, o, s in sizes for m in (nn.Conv2d(i, o, 3, s, 1), nn.ReLU())))
        self.head = nn.Linear(64, 10)
    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))
torch.manual_seed(0)
net, x, shapes = Net().eval(), torch.zeros(64, 3, 32, 32), ({0: Dim("batch", min=1, max=256)},)
litert_torch.convert(net, (x,), dynamic_shapes=shapes).export(sys.argv[1] + "/net.tflite")
program = to_edge_transform_and_lower(export(net, (x,), dynamic_shapes=shapes), partitioner=[XnnpackPartitioner()])
open(sys.argv[1] + "/net.pte", "wb").write(program.to_executorch().buffer)
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    subprocess.run([sys.executable, "-c", _MAKE, str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    with open_device("local", timeouts=Timeouts(connect=60)) as opened:
        yield opened


def artifact(path: Path, runtime: str) -> Artifact:
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    inputs = (TensorSpec("args_0", "float32", SHAPE),)
    return Artifact(
        "target", "original", runtime, path, digest, len(data), inputs, TensorSpec("output", "float32", (10,))
    )


def litert_in_process(path: Path) -> Callable[[Any], Any]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    index_in, index_out = (d[0]["index"] for d in (interpreter.get_input_details(), interpreter.get_output_details()))
    allocated: list[tuple[int, ...]] = []

    def run(values: Any) -> Any:
        if allocated != [values.shape]:
            interpreter.resize_tensor_input(index_in, values.shape)
            interpreter.allocate_tensors()
            allocated[:] = [values.shape]
        interpreter.set_tensor(index_in, values)
        interpreter.invoke()
        return interpreter.get_tensor(index_out)

    return run


def executorch_in_process(path: Path) -> Callable[[Any], Any]:
    from executorch.extension.pybindings import portable_lib
    from executorch.runtime import Runtime

    import torch  # isort: skip

    portable_lib._unsafe_reset_threadpool(1)
    method = Runtime.get().load_program(path).load_method("forward")
    return lambda values: method.execute([torch.from_numpy(values)])[0].clone().numpy()


PLAIN = {"litert": litert_in_process, "executorch": executorch_in_process}
SUFFIX = {"litert": ".tflite", "executorch": ".pte"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("batch_size", [1, 64])
@pytest.mark.parametrize("runtime", ["litert", "executorch"])
def test_collection(benchmark: Any, models: Path, device: Device, runtime: str, batch_size: int) -> None:
    path = models / f"net{SUFFIX[runtime]}"
    target, plain = artifact(path, runtime), PLAIN[runtime](path)
    device.deploy(target)
    n = RECORDS[batch_size]
    images = np.random.default_rng(0).random((n, *SHAPE), dtype=np.float32)
    records = Records({"args_0": images}, np.zeros(n, dtype=np.int64), np.arange(n))
    rows = [slice(start, start + batch_size) for start in range(0, n, batch_size)]
    batches = [(number, records.take(row)) for number, row in enumerate(rows)]
    plain_seconds: list[float] = []
    expected = np.concatenate([plain(images[row]) for row in rows])

    def in_process() -> None:
        start = time.perf_counter()
        for row in rows:
            plain(images[row])
        plain_seconds.append(time.perf_counter() - start)

    def through_agent() -> np.ndarray[Any, Any]:
        return np.concatenate([a.outputs[target.key] for a in device.invoke([target], batches)])

    got = benchmark.pedantic(through_agent, setup=in_process, rounds=ROUNDS, warmup_rounds=1)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    agent, inside = statistics.median(benchmark.stats.stats.data), statistics.median(plain_seconds)
    benchmark.extra_info.update(plain_median_s=inside, ratio=agent / inside)
    best = min(benchmark.stats.stats.data) / min(plain_seconds)
    print(
        f"\n{runtime} batch {batch_size}: agent {agent / len(rows) * 1e6:.0f} us/batch, "
        f"plain loop {inside / len(rows) * 1e6:.0f} us/batch, ratio {agent / inside:.2f} (medians of {ROUNDS}), "
        f"{best:.2f} (fastest rounds)"
    )
