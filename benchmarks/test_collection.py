"""What collecting through the agent costs over the same interpreter in a plain loop in this process.

Run with ``pytest benchmarks/test_collection.py -s``. Both sides see the same records; rounds of the two take turns, so
that a busy machine slows both, and medians are compared. A second agent speaks mutual TLS beside the plaintext one.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.collection import AnswerSink, collect
from harness.devices import Device, Timeouts, open_device
from harness.devices.pairing import pair
from harness.types import Artifact, Records, TensorSpec
from protos.pages import keep_pages

ROUNDS = 9
SHAPE = (3, 32, 32)
# Batches of one round: a stream's set-up must not count. A batch of 64 takes ResNet-18 more than a second.
BATCHES = {("tiny", 1): 1000, ("tiny", 64): 100, ("resnet18", 1): 100, ("resnet18", 64): 4}
# Longest round of the slow network that is not asked for: EDGELEAK_BENCH_BATCHES=100 makes whole ones, in 40 minutes.
_BATCHES_VARIABLE = "EDGELEAK_BENCH_BATCHES"

# A small net for 32x32 images: 65 thousand parameters, about as long in the kernel as an audit's smallest target.
_MAKE = """
import sys, warnings; warnings.simplefilter("ignore")
import litert_torch, torch
from torch import nn
from torch.export import Dim, export
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
from harness import models
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        sizes = [(3, 32, 1), (32, 32, 2), (32, 64, 1), (64, 64, 2)]
        self.body = nn.Sequential(*(m for i, o, s in sizes for m in (nn.Conv2d(i, o, 3, s, 1), nn.ReLU())))
        self.head = nn.Linear(64, 10)
    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))
torch.manual_seed(0)
x, shapes = torch.zeros(64, 3, 32, 32), ({0: Dim("batch", min=1, max=256)},)
resnet = models.build("resnet18", n_classes=10, in_shape=(3, 32, 32), width=64).eval()
for name, net in (("tiny", Net().eval()), ("resnet18", resnet)):
    litert_torch.convert(net, (x,), dynamic_shapes=shapes).export(f"{sys.argv[1]}/{name}.tflite")
    lowered = to_edge_transform_and_lower(export(net, (x,), dynamic_shapes=shapes), partitioner=[XnnpackPartitioner()])
    open(f"{sys.argv[1]}/{name}.pte", "wb").write(lowered.to_executorch().buffer)
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    subprocess.run([sys.executable, "-c", _MAKE, str(folder)], check=True, capture_output=True)
    # As the command line does.
    keep_pages()
    return folder


@contextmanager
def agent(*arguments: str) -> Iterator[str]:
    """An agent beside this process; its port. `local` gives it a session, and so a scheduling group, of its own."""
    command = [sys.executable, "-m", "device_agent.cli", "--exit-on-stdin-eof", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split(":")[-1].strip()
        process.terminate()


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    with agent() as port, open_device(f"grpc://127.0.0.1:{port}", timeouts=Timeouts(connect=60)) as opened:
        yield opened


@pytest.fixture
def secured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    """A second agent, which speaks mutual TLS and asks for the token."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    made = pair("bench", ["bench.invalid"], out=tmp_path)
    timeouts = Timeouts(connect=60)
    with (
        agent("--pairing", str(made.device_file)) as port,
        open_device(f"grpc://bench@127.0.0.1:{port}", timeouts=timeouts) as opened,
    ):
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


class Kept:
    """A sink that keeps the answers."""

    def __init__(self) -> None:
        self.batches: list[np.ndarray[Any, Any]] = []

    def batches_done(self) -> int:
        return len(self.batches)

    def rewind(self, number: int) -> None:
        del self.batches[number:]

    def append(self, number: int, answers: np.ndarray[Any, Any]) -> None:  # noqa: ARG002 - the protocol's name
        self.batches.append(answers)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("batch_size", [1, 64])
@pytest.mark.parametrize(("network", "runtime"), [("tiny", "litert"), ("tiny", "executorch"), ("resnet18", "litert")])
def test_collection(
    benchmark: Any, models: Path, device: Device, secured: Device, network: str, runtime: str, batch_size: int
) -> None:
    path = models / f"{network}{SUFFIX[runtime]}"
    target, plain = artifact(path, runtime), PLAIN[runtime](path)
    count = int(os.environ.get(_BATCHES_VARIABLE, BATCHES[network, batch_size]))
    images = np.random.default_rng(0).random((count * batch_size, *SHAPE), dtype=np.float32)
    records = Records({"args_0": images}, np.zeros(len(images), dtype=np.int64), np.arange(len(images)))
    rows = [slice(start, start + batch_size) for start in range(0, len(images), batch_size)]
    expected = np.concatenate([plain(images[row]) for row in rows])
    seconds: dict[str, list[float]] = {"plain loop": [], "mutual TLS": []}
    kernel: list[float] = []
    for one in (device, secured):
        one.deploy(target)

    def collected(through: Device) -> np.ndarray[Any, Any]:
        sink = Kept()
        sinks: dict[str, AnswerSink] = {target.key: sink}
        times = collect(through, [target], records, sinks, batch_size=batch_size, clock_ns=time.perf_counter_ns)
        kernel.append(times.kernel_ns / count / 1e3)
        return np.concatenate(sink.batches)

    def beside() -> None:
        start = time.perf_counter()
        for row in rows:
            plain(images[row])
        seconds["plain loop"].append(time.perf_counter() - start)
        start = time.perf_counter()
        collected(secured)
        seconds["mutual TLS"].append(time.perf_counter() - start)

    got = benchmark.pedantic(lambda: collected(device), setup=beside, rounds=ROUNDS, warmup_rounds=1)
    np.testing.assert_allclose(got, expected, atol=1e-4)
    seconds["agent"] = list(benchmark.stats.stats.data)
    each = {name: statistics.median(values) / count * 1e6 for name, values in seconds.items()}
    ratio, secured_ratio = each["plain loop"] / each["agent"], each["plain loop"] / each["mutual TLS"]
    benchmark.extra_info.update(each, ratio=ratio)
    print(
        f"\n{network} {runtime} batch {batch_size}: plain loop {each['plain loop']:.0f} us a batch, agent "
        f"{each['agent']:.0f} (speed {ratio:.2f}, {each['agent'] - each['plain loop']:+.0f} us; kernel "
        f"{statistics.median(kernel):.0f}), mutual TLS {each['mutual TLS']:.0f} ({secured_ratio:.2f}); "
        f"medians of {ROUNDS} rounds of {count}"
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("runtime", ["litert", "executorch"])
def test_cold_start(benchmark: Any, models: Path, runtime: str) -> None:
    """From no agent at all to the first answer: what a killed agent costs."""
    target = artifact(models / f"tiny{SUFFIX[runtime]}", runtime)
    image = np.zeros((1, *SHAPE), dtype=np.float32)
    records = Records({"args_0": image}, np.zeros(1, dtype=np.int64), np.arange(1))

    def first_answer() -> None:
        with open_device("local", timeouts=Timeouts(connect=60)) as opened:
            opened.deploy(target)
            assert len(list(opened.invoke([target], [(0, records)]))) == 1

    benchmark.pedantic(first_answer, rounds=5, warmup_rounds=1)
    print(f"\n{runtime}: {statistics.median(benchmark.stats.stats.data):.2f} s from no agent to the first answer")
