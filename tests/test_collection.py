"""Collection: every batch once, in order, for every artifact; resumed where it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from harness.collection import accuracy, collect, parity
from harness.devices import FakeDevice
from harness.types import Artifact, Records, TensorSpec

N, BATCH = 100, 16
RECORDS = Records(
    {"args_0": np.arange(N, dtype=np.float32)[:, None]}, np.arange(N, dtype=np.int64) % 3, np.arange(N, dtype=np.int64)
)


@dataclass
class Sink:
    """Keeps everything in memory."""

    kept: dict[int, np.ndarray] = field(default_factory=dict)

    def batches_done(self) -> int:
        return len(self.kept)

    def rewind(self, number: int) -> None:
        self.kept = {k: v for k, v in self.kept.items() if k < number}

    def append(self, number: int, answers: np.ndarray) -> None:
        assert number not in self.kept
        self.kept[number] = answers


def artifact(variant: str) -> Artifact:
    inputs, output = (TensorSpec("args_0", "float32", (1,)),), TensorSpec("output_0", "float32", (3,))
    return Artifact("target", variant, "litert", Path("x.tflite"), variant * 8, 1, inputs, output)


ARTIFACTS = [artifact("original"), artifact("int8")]


def device() -> FakeDevice:
    def answer(which: Artifact, records: Records) -> np.ndarray:
        return np.repeat(records.inputs["args_0"], 3, axis=1) + (which.variant == "int8")

    fake = FakeDevice(answer)
    for one in ARTIFACTS:
        fake.deploy(one)
    return fake


def run(sinks: dict[str, Sink]) -> tuple[int, list[tuple[int, int]]]:
    seen: list[tuple[int, int]] = []
    ticks = iter(range(0, 1_000_000, 1000))
    times = collect(
        device(),
        ARTIFACTS,
        RECORDS,
        sinks,
        batch_size=BATCH,
        clock_ns=lambda: next(ticks),
        progress=lambda _, done, total: seen.append((done, total)),
    )
    return times.records, seen


def test_all_artifacts_see_the_same_records() -> None:
    sinks = {a.key: Sink() for a in ARTIFACTS}
    answered, seen = run(sinks)
    assert answered == 2 * N
    assert seen[-1] == (N, N)
    for one in ARTIFACTS:
        answers = np.concatenate([sinks[one.key].kept[k] for k in sorted(sinks[one.key].kept)])
        np.testing.assert_array_equal(answers[:, 0], np.arange(N) + (one.variant == "int8"))


def test_resumes_at_the_slower_artifact() -> None:
    sinks = {a.key: Sink() for a in ARTIFACTS}
    run(sinks)
    whole = {key: dict(sink.kept) for key, sink in sinks.items()}
    sinks["target/int8/litert"].rewind(3)
    answered, _ = run(sinks)
    assert answered == 2 * (N - 3 * BATCH)
    for key, sink in sinks.items():
        assert sorted(sink.kept) == sorted(whole[key])
        assert all((sink.kept[k] == whole[key][k]).all() for k in whole[key])
    assert run(sinks) == (0, [])


def test_parity_counts_flips() -> None:
    reference = np.eye(4, dtype=np.float32)
    answers = reference.copy()
    answers[0] = [0, 2, 0, 0]
    found = parity(answers, reference)
    assert (found.max_abs_difference, found.flips, found.n) == (2.0, 1, 4)


def test_accuracy_has_an_exact_interval() -> None:
    found = accuracy(np.eye(3, dtype=np.float32)[[0, 1, 2, 0]], np.array([0, 1, 2, 1]))
    assert (found.value, found.n) == (0.75, 4)
    assert found.low == pytest.approx(0.1941, abs=1e-4)  # Clopper-Pearson for 3 of 4
    assert found.high == pytest.approx(0.9937, abs=1e-4)
