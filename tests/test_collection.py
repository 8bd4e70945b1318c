"""Collection: every batch once, in order, for every artifact; resumed where it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.audit.accuracy import accuracy
from harness.collection import collect, parity
from harness.devices import FakeAgent
from harness.errors import DeviceOutputError, StorageError
from harness.types import Artifact, Records
from tests.devices.files import placeholder

N, BATCH = 100, 16
RECORDS = Records(
    {"args_0": np.arange(N, dtype=np.float32)[:, None]}, np.arange(N, dtype=np.int64) % 3, np.arange(N, dtype=np.int64)
)


@dataclass
class Sink:
    """Keeps everything in memory."""

    batches: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    def batches_done(self) -> int:
        return len(self.batches)

    def rewind(self, number: int) -> None:
        self.batches = {k: v for k, v in self.batches.items() if k < number}

    def append(self, number: int, answers: NDArray[np.float32]) -> None:
        assert number not in self.batches
        self.batches[number] = answers


@pytest.fixture
def artifacts(tmp_path: Path) -> list[Artifact]:
    return [placeholder(tmp_path, variant) for variant in ("original", "int8")]


def run(artifacts: list[Artifact], sinks: dict[str, Sink]) -> tuple[int, list[tuple[int, int]]]:
    """Collect what is missing: how many answers came, and what progress said."""
    _, int8 = artifacts
    seen: list[tuple[int, int]] = []
    ticks = iter(range(0, 1_000_000, 1000))

    def answers(sha256: str, inputs: Mapping[str, NDArray[np.generic]]) -> NDArray[np.generic]:
        return np.repeat(inputs["args_0"], 3, axis=1) + (sha256 == int8.sha256)

    with FakeAgent(answers) as device:
        for artifact in artifacts:
            device.deploy(artifact)
        times = collect(
            device,
            artifacts,
            RECORDS,
            sinks,
            batch_size=BATCH,
            clock_ns=lambda: next(ticks),
            progress=lambda _, done, total: seen.append((done, total)),
        )
    return times.records, seen


def test_all_artifacts_see_the_same_records(artifacts: list[Artifact]) -> None:
    sinks = {a.key: Sink() for a in artifacts}
    answered, seen = run(artifacts, sinks)
    assert answered == 2 * N
    assert seen[-1] == (N, N)
    for one in artifacts:
        batches = sinks[one.key].batches
        answers = np.concatenate([batches[k] for k in sorted(batches)])
        np.testing.assert_array_equal(answers[:, 0], np.arange(N) + (one.variant == "int8"))


def test_collection_resumes_at_the_slower_artifact(artifacts: list[Artifact]) -> None:
    sinks = {a.key: Sink() for a in artifacts}
    run(artifacts, sinks)
    whole = {key: dict(sink.batches) for key, sink in sinks.items()}
    sinks["target/int8/litert"].rewind(3)
    answered, _ = run(artifacts, sinks)
    assert answered == 2 * (N - 3 * BATCH)
    for key, sink in sinks.items():
        assert sorted(sink.batches) == sorted(whole[key])
        assert all((sink.batches[k] == whole[key][k]).all() for k in whole[key])
    assert run(artifacts, sinks) == (0, [])


def test_batches_before_a_wrong_answer_are_kept(artifacts: list[Artifact]) -> None:
    original, _ = artifacts
    sink = Sink()

    def answers(sha256: str, inputs: Mapping[str, NDArray[np.generic]]) -> NDArray[np.generic]:
        values = np.repeat(inputs["args_0"], 3, axis=1)
        return np.where(values == 3 * BATCH, np.nan, values)

    with FakeAgent(answers) as device:
        device.deploy(original)
        with pytest.raises(DeviceOutputError, match="batch 3: record 0 of the batch: the output holds NaN"):
            collect(device, [original], RECORDS, {original.key: sink}, batch_size=BATCH, clock_ns=lambda: 0)
    assert sorted(sink.batches) == [0, 1, 2]


def test_parity_counts_flips() -> None:
    reference = np.eye(4, dtype=np.float32)
    answers = reference.copy()
    answers[0] = [0, 2, 0, 0]
    measured = parity(answers, reference)
    assert (measured.max_abs_difference, measured.flips, measured.n) == (2.0, 1, 4)


def test_accuracy_has_an_exact_interval() -> None:
    estimate = accuracy(np.eye(3, dtype=np.float32)[[0, 1, 2, 0]], np.array([0, 1, 2, 1]))
    assert (estimate.value, estimate.n) == (0.75, 4)
    assert estimate.low == pytest.approx(0.1941, abs=1e-4)  # Clopper-Pearson for 3 of 4
    assert estimate.high == pytest.approx(0.9937, abs=1e-4)


class FullDisk(Sink):
    """Has room for two batches."""

    def append(self, number: int, answers: NDArray[np.float32]) -> None:
        if len(self.batches) == 2:
            raise StorageError("the disk is full")
        super().append(number, answers)


def test_an_answer_that_cannot_be_written_ends_the_collection(artifacts: list[Artifact]) -> None:
    sinks: dict[str, Sink] = {artifacts[0].key: Sink(), artifacts[1].key: FullDisk()}
    with pytest.raises(StorageError, match="the disk is full"):
        run(artifacts, sinks)
    assert sorted(sinks[artifacts[1].key].batches) == [0, 1]
