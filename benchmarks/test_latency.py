"""What the agent reports of a model's latency, beside LiteRT's own benchmark of the same file.

Run with ``pytest benchmarks/test_latency.py -s``. Rounds of the two alternate, with one thread each and as many runs,
so that a busy machine slows both; each round gives one ratio of medians.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.test_collection import artifact
from harness.audit.stages.bench import turns
from harness.devices import Device, Timeouts, open_device
from harness.latency import ratio
from harness.types import IntArray

ROUNDS = 15
RUNS = 100
WARMUP = 20
# How far the agent's median may lie from the other's.
TOLERANCE = 0.03
# Comparisons of a file with its copies: so many copies beside it, and so many repetitions.
COPIES, REPEATS = 5, 4
NANOSECONDS_PER_MILLISECOND = 1e6

# Large enough that two decimals of a millisecond, which is what the other one writes, are half a per cent or less.
_MAKE = """
import sys, warnings; warnings.simplefilter("ignore")
import litert_torch, torch
from torch import nn
class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        sizes = [(3, width, 1), (width, width, 2), (width, 2 * width, 1), (2 * width, 2 * width, 2)]
        self.body = nn.Sequential(*(m for i, o, s in sizes for m in (nn.Conv2d(i, o, 3, s, 1), nn.ReLU())))
        self.head = nn.Linear(2 * width, 10)
    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))
torch.manual_seed(0)
for width in map(int, sys.argv[2:]):
    litert_torch.convert(Net(width).eval(), (torch.zeros(1, 3, 32, 32),)).export(f"{sys.argv[1]}/{width}.tflite")
"""
WIDTHS = (64, 128)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    command = [sys.executable, "-c", _MAKE, str(folder), *map(str, WIDTHS)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    with open_device("local", timeouts=Timeouts(connect=60)) as opened:
        yield opened


@pytest.fixture(scope="module")
def litert_benchmark() -> Path:
    tool = Path(sys.executable).with_name("litert-benchmark")
    if not tool.exists():
        pytest.skip("litert-benchmark is not installed; it comes with ai-edge-litert 2.3 and later")
    return tool


def median_ns(tool: Path, model: Path, folder: Path) -> float:
    """The median that LiteRT's own benchmark writes for one thread of the CPU."""
    written = folder / "result.json"
    options = ["--num_runs", str(RUNS), "--warmup_runs", str(WARMUP), "--num_threads", "1"]
    subprocess.run(
        [tool, "--model", model, *options, "--result_json", written], check=True, capture_output=True, timeout=300
    )
    result = json.loads(written.read_text())
    assert (result["accelerators"], result["num_threads"], result["latency"]["num_runs"]) == (["CPU"], 1, RUNS)
    return float(result["latency"]["median_ms"]) * NANOSECONDS_PER_MILLISECOND


def test_identical_files_are_told_apart_no_more_often_than_the_level_says(
    device: Device, models: Path, tmp_path: Path
) -> None:
    """Copies of one file, timed and compared as an audit does it: whatever differs is the method's own error."""
    copies = []
    for number in range(COPIES + 1):
        path = tmp_path / f"{number}.tflite"
        # Bytes after its end are another digest, and nothing to the runtime.
        path.write_bytes((models / f"{WIDTHS[0]}.tflite").read_bytes() + bytes(number))
        copies.append(artifact(path, "litert"))
        device.deploy(copies[-1])
    told_apart, widths = 0, []
    with device.lease():
        for seed in range(REPEATS):
            samples: list[list[IntArray]] = [[] for _ in copies]
            for order in turns(len(copies), 8, seed=seed):
                for place in order:
                    timed = device.benchmark(copies[place], warmup=5, runs=20, duration_s=0.05)
                    samples[place].append(timed.samples_ns)
            estimates = [ratio(rounds, samples[0]) for rounds in samples[1:]]
            told_apart += sum(estimate is not None and not estimate.holds(1.0) for estimate in estimates)
            widths += [estimate.high / estimate.low - 1 for estimate in estimates if estimate is not None]
    print(
        f"\nidentical files: {told_apart} of {len(widths)} told apart at 95%; "
        f"intervals of the ratio are {100 * np.median(widths):.1f}% wide (median)"
    )
    # Of 20 independent comparisons at 95%, more than five would be told apart once in 3,000 times.
    assert len(widths) == COPIES * REPEATS
    assert told_apart <= 5


@pytest.mark.parametrize("width", WIDTHS)
def test_the_agents_median_is_that_of_litert_benchmark(
    device: Device, models: Path, litert_benchmark: Path, tmp_path: Path, width: int
) -> None:
    file = artifact(models / f"{width}.tflite", "litert")
    device.deploy(file)
    ours: list[float] = []
    theirs: list[float] = []
    with device.lease():
        for _ in range(ROUNDS):
            timed = device.benchmark(file, warmup=WARMUP, runs=RUNS, threads=1)
            ours.append(float(np.median(timed.samples_ns)))
            theirs.append(median_ns(litert_benchmark, file.path, tmp_path))
    medians = [[np.asarray([value], dtype=np.int64) for value in side] for side in (ours, theirs)]
    of_rounds = ratio(*medians)
    assert of_rounds is not None
    middle, fastest = (pick(ours) / pick(theirs) for pick in (np.median, np.min))
    print(
        f"\nlatency, {width} channels: agent {np.median(ours) / 1e6:.2f} ms, litert-benchmark "
        f"{np.median(theirs) / 1e6:.2f} ms, ratio {middle:.3f} (medians of {ROUNDS}), {fastest:.3f} (fastest rounds), "
        f"{of_rounds.value:.3f} [{of_rounds.low:.3f}, {of_rounds.high:.3f}] (paired by round)"
    )
    # Only what the rounds are sure of is a failure: this machine may have other work.
    assert of_rounds.low <= 1 + TOLERANCE
    assert of_rounds.high >= 1 - TOLERANCE
