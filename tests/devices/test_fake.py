"""The fake agent: whatever the real client checks of a device, it checks of the fake."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.devices import FakeAgent, Signature, TensorInfo, Timeouts, open_device
from harness.errors import (
    ArtifactError,
    DeviceError,
    DeviceLostError,
    DeviceOutputError,
    DeviceUnavailableError,
    InputError,
    ProtocolError,
)
from harness.types import Records
from tests.devices.files import placeholder

Inputs = Mapping[str, NDArray[np.generic]]


def threefold(sha256: str, inputs: Inputs) -> NDArray[np.generic]:
    return np.repeat(inputs["args_0"], 3, axis=1)


def records(n: int = 4) -> Records:
    values = np.arange(n, dtype=np.float32)[:, None]
    return Records({"args_0": values}, np.zeros(n, dtype=np.int64), np.arange(n))


def endless() -> Iterator[tuple[int, Records]]:
    number = 0
    while True:
        yield number, records()
        number += 1


def test_a_function_answers_in_the_models_place(tmp_path: Path) -> None:
    original, int8 = placeholder(tmp_path, "original"), placeholder(tmp_path, "int8")

    def answers(sha256: str, inputs: Inputs) -> NDArray[np.generic]:
        return threefold(sha256, inputs) + (sha256 == int8.sha256)

    with FakeAgent(answers) as device:
        for artifact in (original, int8):
            device.deploy(artifact)
        batches = [(7, records(4)), (8, records(2))]
        given = list(device.invoke([original, int8], batches))
    assert [answer.number for answer in given] == [7, 8]
    for answer, (_, batch) in zip(given, batches, strict=True):
        np.testing.assert_array_equal(answer.outputs[original.key], np.repeat(batch.inputs["args_0"], 3, axis=1))
        np.testing.assert_array_equal(answer.outputs[int8.key], answer.outputs[original.key] + 1)
        assert all(time_ns > 0 for time_ns in answer.kernel_ns.values())


def test_it_holds_what_was_deployed_until_it_is_removed(tmp_path: Path) -> None:
    first, second = placeholder(tmp_path, "original"), placeholder(tmp_path, "int8")
    agent = FakeAgent(threefold)
    with agent as device:
        device.deploy(first)
        device.deploy(second)
        assert agent.held == {first.sha256, second.sha256}
        device.purge([first])
        assert agent.held == {second.sha256}
        with pytest.raises(DeviceError, match="upload it first"):
            list(device.invoke([first], [(0, records())]))
    assert agent.held == frozenset()


def test_an_altered_file_is_not_deployed(tmp_path: Path) -> None:
    artifact = placeholder(tmp_path, "original")
    artifact.path.write_bytes(b"target/0riginal")
    with FakeAgent(threefold) as device, pytest.raises(ArtifactError, match="altered"):
        device.deploy(artifact)


def test_it_benchmarks_and_is_marked_as_emulated(tmp_path: Path) -> None:
    artifact = placeholder(tmp_path, "original")
    with FakeAgent(threefold) as device:
        device.deploy(artifact)
        assert device.benchmark(artifact, runs=25_000).samples_ns.shape == (25_000,)
        info = device.info()
        assert info.emulated
        assert "litert" in info.runtimes


@pytest.mark.parametrize(
    "signature",
    [
        None,
        Signature(
            (TensorInfo("x", "uint8", (3, -1), 0.5, 7), TensorInfo("", "int64", ())),
            (TensorInfo("y", "float32", (10,)),),
            batch_size_max=8,
        ),
    ],
)
def test_it_describes_artifacts_by_the_signature_that_is_given(tmp_path: Path, signature: Signature | None) -> None:
    artifact = placeholder(tmp_path, "original")
    with FakeAgent(threefold, signature=signature) as device:
        device.deploy(artifact)
        unknown = Signature((), (), inputs_known=False, outputs_known=False)
        assert device.describe(artifact) == (signature or unknown)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.zeros((4, 2), np.float32), r"expected float32 \[4, 3\], got float32 \[4, 2\]"),
        (np.zeros((3, 3), np.float32), r"expected float32 \[4, 3\], got float32 \[3, 3\]"),
        (np.zeros((4, 3), np.int64), r"expected float32 \[4, 3\], got int64 \[4, 3\]"),
        (np.asarray([[0, 0, 0]] * 2 + [[0, np.nan, 0], [0, 0, 0]]), "record 2 of the batch: the output holds NaN"),
        (np.asarray([[np.inf, 0, 0]] + [[0, 0, 0]] * 3), "record 0 of the batch: the output holds NaN or infinity"),
    ],
)
def test_a_wrong_shape_type_or_nan_is_refused(tmp_path: Path, answer: NDArray[np.generic], message: str) -> None:
    artifact = placeholder(tmp_path, "original")
    with FakeAgent(lambda *_: answer) as device:
        device.deploy(artifact)
        with pytest.raises(DeviceOutputError, match=message) as error:
            list(device.invoke([artifact], [(5, records())]))
    assert f"{artifact.key}, batch 5" in str(error.value)


def test_confidences_that_do_not_sum_to_one_are_refused(tmp_path: Path) -> None:
    artifact = placeholder(tmp_path, "original", output_kind="confidences")
    with FakeAgent(lambda *_: np.full((4, 3), 0.5, np.float32)) as device:
        device.deploy(artifact)
        with pytest.raises(DeviceOutputError, match=r"confidences sum to 1\.5"):
            list(device.invoke([artifact], [(0, records())]))


def test_another_batchs_number_is_refused(tmp_path: Path) -> None:
    artifact = placeholder(tmp_path, "original")
    with FakeAgent(threefold, number_of=lambda n: n + (n == 1)) as device:
        device.deploy(artifact)
        answers = device.invoke([artifact], endless())
        assert next(answers).number == 0
        with pytest.raises(ProtocolError, match="batch 1 was answered as batch 2"):
            next(answers)


def test_a_stopped_agent_is_lost(tmp_path: Path) -> None:
    artifact, agent = placeholder(tmp_path, "original"), FakeAgent(threefold)
    with agent as device:
        device.deploy(artifact)
        answers = device.invoke([artifact], endless())
        next(answers)
        agent.stop()
        with pytest.raises(DeviceLostError, match="start the agent again and rerun the same command"):
            list(answers)
        with pytest.raises(DeviceLostError):
            device.info()
    with pytest.raises(DeviceUnavailableError):
        open_device(agent.url, timeouts=Timeouts(connect=2.0))


def test_a_silent_agent_is_lost_after_the_idle_time(tmp_path: Path) -> None:
    artifact, asked, done = placeholder(tmp_path, "original"), threading.Event(), threading.Event()

    def silent(sha256: str, inputs: Inputs) -> NDArray[np.generic]:
        asked.set()
        done.wait(60)
        return threefold(sha256, inputs)

    with FakeAgent(silent, timeouts=Timeouts(idle=0.5)) as device:
        device.deploy(artifact)
        with pytest.raises(DeviceLostError, match=r"no answer for 0\.5 s"):
            list(device.invoke([artifact], endless()))
        assert asked.is_set()
        done.set()


def test_the_window_is_bounded(tmp_path: Path) -> None:
    artifact, taken, answered = placeholder(tmp_path, "original"), 0, 0

    def counted() -> Iterator[tuple[int, Records]]:
        nonlocal taken
        for taken in range(1, 41):
            yield taken, records(20_000)

    with FakeAgent(threefold) as device:
        device.deploy(artifact)
        for answered, _ in enumerate(device.invoke([artifact], counted()), start=1):
            assert taken - answered < 5
    assert (taken, answered) == (40, 40)


def test_what_the_function_raises_is_in_the_error(tmp_path: Path) -> None:
    artifact = placeholder(tmp_path, "original")

    def broken(sha256: str, inputs: Inputs) -> NDArray[np.generic]:
        return inputs["pixels"]

    with FakeAgent(broken) as device:
        device.deploy(artifact)
        with pytest.raises(DeviceError, match=r"answers\(\) raised KeyError: 'pixels'"):
            list(device.invoke([artifact], [(0, records())]))


def test_records_that_the_contract_cannot_carry_are_refused(tmp_path: Path) -> None:
    artifact = placeholder(tmp_path, "original")
    double = replace(records(), inputs={"args_0": np.zeros((4, 1))})
    with FakeAgent(threefold) as device:
        device.deploy(artifact)
        with pytest.raises(InputError, match="float64"):
            list(device.invoke([artifact], [(0, double)]))


def test_it_ends_with_its_block() -> None:
    agent = FakeAgent(threefold)
    with agent as device:
        assert device.url == agent.url
        with open_device(agent.url) as second:
            assert second.info().hostname == "fake"
    for thread in threading.enumerate():
        if thread.name.startswith("fake-agent"):
            thread.join(20)
            assert not thread.is_alive()
    with pytest.raises(DeviceUnavailableError):
        open_device(agent.url, timeouts=Timeouts(connect=2.0))
