"""What the shim of ExecuTorch saves beside its Python bindings: memory, and the time until a program's first answer.

Run with ``pytest benchmarks/test_executorch_shim.py -s``. Both run in turn, each through a new agent whose worker has
imported nothing; the answers have to be equal, bit for bit.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.test_collection import SHAPE, artifact, models
from device_agent.runtimes.executorch import VARIABLE
from harness.devices import open_device
from harness.types import Records
from tests.device_agent.shims import shim

__all__ = ["models", "shim"]

ROUNDS = 5
WAYS = ("torch", "shim")
# Of torch's memory and time; measured are 0.29 and 0.16.
SHARE_MAX = 0.5


@pytest.mark.filterwarnings("ignore")
def test_cold_start(benchmark: Any, models: Path, shim: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = artifact(models / "tiny.pte", "executorch")
    images = np.random.default_rng(0).random((8, *SHAPE), dtype=np.float32)
    records = Records({"args_0": images}, np.zeros(8, dtype=np.int64), np.arange(8))
    found: dict[str, dict[str, list[float]]] = {way: {} for way in WAYS}
    answers: dict[str, bytes] = {}

    def once(way: str) -> None:
        monkeypatch.setenv(VARIABLE, str(shim) if way == "shim" else "")
        begin = time.perf_counter()
        with open_device("local") as device:
            started = time.perf_counter()
            device.deploy(target)
            (answer,) = device.invoke([target], [(0, records)])
            answered = time.perf_counter()
            answers[way] = answer.outputs[target.key].tobytes()
            state = device.info().telemetry
            timed = device.benchmark(target, runs=200)
        row = {
            "agent started, s": started - begin,
            "upload and first answer, s": answered - started,
            "all of it, s": answered - begin,
            "worker's memory, MB": (state.worker_resident_bytes or 0) / 1e6,
            "a run, µs": float(np.median(timed.samples_ns)) / 1e3,
        }
        for name, value in row.items():
            found[way].setdefault(name, []).append(value)

    def rounds() -> None:
        for number in range(ROUNDS):
            for way in WAYS[:: 1 if number % 2 else -1]:
                once(way)

    benchmark.pedantic(rounds, rounds=1, iterations=1)
    assert answers["shim"] == answers["torch"]
    medians = {way: {name: statistics.median(values) for name, values in row.items()} for way, row in found.items()}
    print(f"\n{'median of ' + str(ROUNDS):<28} {'torch':>9} {'shim':>9} {'shim/torch':>11}")
    for name, value in medians["torch"].items():
        other = medians["shim"][name]
        print(f"{name:<28} {value:>9.2f} {other:>9.2f} {other / value:>11.2f}")
    for name in ("upload and first answer, s", "worker's memory, MB"):
        assert medians["shim"][name] < SHARE_MAX * medians["torch"][name], name
