"""What the cage of the worker costs: the same stream through two agents, one with and one without, in turn.

Run with ``pytest benchmarks/test_cage_cost.py -s``. Both agents live in this process and differ in that alone; which
one goes first changes from round to round. The worker's processor time is compared, too: that of others is not in it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.test_collection import SHAPE, artifact, models
from device_agent import cage
from device_agent.blobs import BlobStore
from device_agent.server import start
from device_agent.settings import CageSettings
from device_agent.supervisor import Supervisor
from harness.devices import Device, Timeouts, open_device
from harness.types import Records

__all__ = ["models"]

ROUNDS = 15
# Records of one round by the size of its batches.
RECORDS = {1: 512, 64: 64 * 40}
# The cage may cost so much of a stream's time; a noisy machine makes single rounds differ by more.
COST_MAX = 0.02


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Device, Supervisor]]]:
    """One device with a cage and one without, each with what starts its worker."""
    if unconfined := cage.available(1).unconfined:
        pytest.skip("; ".join(unconfined))
    opened: dict[str, tuple[Device, Supervisor]] = {}
    with ExitStack() as stack:
        for name in ("caged", "uncaged"):
            store = BlobStore(tmp_path_factory.mktemp(name), max_bytes=1 << 30)
            settings = CageSettings(store.complete_folder.resolve(), cage.default_memory_bytes(), require=True)
            supervisor = Supervisor(limit_seconds=600, cage=settings if name == "caged" else None)
            server, port = start(store, supervisor, address="127.0.0.1:0")
            stack.callback(store.close)
            stack.callback(supervisor.close)
            stack.callback(lambda server=server: server.stop(0).wait())
            url = f"grpc://127.0.0.1:{port}"
            opened[name] = (stack.enter_context(open_device(url, timeouts=Timeouts(connect=60))), supervisor)
        yield opened


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("batch_size", [1, 64])
@pytest.mark.parametrize("runtime", ["litert", "executorch"])
def test_cage_cost(
    benchmark: Any, models: Path, devices: dict[str, tuple[Device, Supervisor]], runtime: str, batch_size: int
) -> None:
    target = artifact(models / f"tiny{'.tflite' if runtime == 'litert' else '.pte'}", runtime)
    n = RECORDS[batch_size]
    images = np.random.default_rng(0).random((n, *SHAPE), dtype=np.float32)
    records = Records({"args_0": images}, np.zeros(n, dtype=np.int64), np.arange(n))
    batches = [(i, records.take(slice(row, row + batch_size))) for i, row in enumerate(range(0, n, batch_size))]
    wall: dict[str, list[float]] = {name: [] for name in devices}
    processor: dict[str, list[float]] = {name: [] for name in devices}

    def stream(name: str) -> np.ndarray[Any, Any]:
        device, supervisor = devices[name]
        begin, used = time.perf_counter(), processor_seconds(supervisor.pid)
        answers = np.concatenate([a.outputs[target.key] for a in device.invoke([target], batches)])
        wall[name].append(time.perf_counter() - begin)
        processor[name].append(processor_seconds(supervisor.pid) - used)
        return answers

    def both() -> dict[str, np.ndarray[Any, Any]]:
        order = list(devices)[:: 1 if len(wall["caged"]) % 2 else -1]
        return {name: stream(name) for name in order}

    for device, _ in devices.values():
        device.deploy(target)
    answers = benchmark.pedantic(both, rounds=ROUNDS, warmup_rounds=1)
    np.testing.assert_array_equal(answers["caged"], answers["uncaged"])
    for what, seconds in (("wall", wall), ("processor", processor)):
        caged, uncaged = (statistics.median(seconds[name][1:]) for name in ("caged", "uncaged"))
        benchmark.extra_info[f"{what}_ratio"] = caged / uncaged
        print(
            f"\n{runtime} batch {batch_size}, {what} time: {1e6 * caged / len(batches):.0f} us a batch with the cage, "
            f"{1e6 * uncaged / len(batches):.0f} without: ratio {caged / uncaged:.3f} (medians of {ROUNDS}); "
            f"at most {1 + COST_MAX:.2f} is wanted"
        )


def processor_seconds(pid: int) -> float:
    """What all threads of a process have had of the processor so far."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
