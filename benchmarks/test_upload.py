"""What putting a file of 64 MiB on an agent takes, beside a bare stream that writes, hashes and syncs it.

Run with ``pytest benchmarks/test_upload.py -s``. All are asked in turn, and medians are compared. The agent's side ends
when the file can be invoked: resumable, verified and loaded. The session knows the file and has hashed it, or hashes it
while it sends it. TVM's RPC is a peer that ``make peers`` installs.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from benchmarks._bare_upload import METHOD
from benchmarks._peers import Peer
from harness.devices import Timeouts, open_device
from harness.types import Artifact, TensorSpec
from protos import CHUNK_BYTES
from protos.pages import keep_pages

ROUNDS = 11
TVM_ROUNDS = 3
SIDE = 4096
TIMEOUTS = Timeouts(connect=60)

# One layer whose weights take 64 MiB.
_MAKE = f"""
import sys, warnings; warnings.simplefilter("ignore")
import litert_torch, torch
torch.manual_seed(0)
layer = torch.nn.Linear({SIDE}, {SIDE}).eval()
litert_torch.convert(layer, (torch.zeros(1, {SIDE}),)).export(sys.argv[1])
"""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    path = tmp_path_factory.mktemp("models") / "layer.tflite"
    subprocess.run([sys.executable, "-c", _MAKE, str(path)], check=True, capture_output=True)
    # As the command line does.
    keep_pages()
    data = path.read_bytes()
    spec = (TensorSpec("args_0", "float32", (SIDE,)),)
    output = TensorSpec("output", "float32", (SIDE,))
    return Artifact("target", "original", "litert", path, hashlib.sha256(data).hexdigest(), len(data), spec, output)


@pytest.fixture
def agent_url(tmp_path: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "device_agent.cli", "--store", str(tmp_path / "store"), "--exit-on-stdin-eof"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout is not None
        yield f"grpc://{agent.stdout.readline().split()[-1]}"
        agent.terminate()


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Callable[[Path], bytes]]:
    command = [sys.executable, "-m", "benchmarks._bare_upload", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        channel = grpc.insecure_channel(f"127.0.0.1:{server.stdout.readline().strip()}")
        method: Any = channel.stream_unary(METHOD)

        def chunks(path: Path) -> Iterator[bytes]:
            with path.open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk

        yield lambda path: bytes(method(chunks(path), timeout=60))
        channel.close()


def timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


@pytest.mark.filterwarnings("ignore")
def test_upload(benchmark: Any, artifact: Artifact, agent_url: str, bare: Callable[[Path], bytes]) -> None:
    seconds: dict[str, list[float]] = {"bare stream": [], "known file": []}
    assert bare(artifact.path).hex() == artifact.sha256

    with open_device(agent_url, timeouts=TIMEOUTS) as device:

        def beside() -> None:
            device.purge([artifact])
            seconds["bare stream"].append(timed(lambda: bare(artifact.path)))
            seconds["known file"].append(timed(lambda: device.deploy(artifact)))
            device.purge([artifact])
            # To the session it is another file than the one that it has hashed.
            os.utime(artifact.path)

        device.deploy(artifact)
        benchmark.pedantic(lambda: device.deploy(artifact), setup=beside, rounds=ROUNDS, warmup_rounds=1)
    seconds["new file"] = list(benchmark.stats.stats.data)
    medians = {name: statistics.median(values[-ROUNDS:]) for name, values in seconds.items()}
    ratios = {name: value / medians["bare stream"] for name, value in medians.items()}
    benchmark.extra_info.update(medians, ratio=ratios["new file"])
    print(
        f"\n{artifact.size_bytes / 2**20:.0f} MiB, medians of {ROUNDS} rounds: "
        + "; ".join(f"{name} {1e3 * medians[name]:.0f} ms ({ratios[name]:.2f}x)" for name in medians)
    )


@pytest.mark.filterwarnings("ignore")
def test_upload_beside_tvm(benchmark: Any, artifact: Artifact, agent_url: str, tvm: Peer) -> None:
    data = np.frombuffer(artifact.path.read_bytes(), dtype=np.uint8)
    theirs: list[float] = []
    with open_device(agent_url, timeouts=TIMEOUTS) as device:

        def beside() -> None:
            device.purge([artifact])
            theirs.append(float(tvm(data=data).values["seconds"]))

        benchmark.pedantic(lambda: device.deploy(artifact), setup=beside, rounds=TVM_ROUNDS)
    ours = statistics.median(benchmark.stats.stats.data)
    ratio = statistics.median(theirs) / ours
    benchmark.extra_info.update(tvm=statistics.median(theirs), ratio=ratio)
    print(
        f"\n{tvm.versions}: {1e3 * statistics.median(theirs):.0f} ms, agent {1e3 * ours:.0f} ms ({ratio:.1f} times as "
        f"fast); medians of {TVM_ROUNDS} rounds"
    )
