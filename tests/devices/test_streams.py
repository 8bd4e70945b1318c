"""Streams of batches through real agents and real models: order, window, and what is checked of an answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from harness.devices import Device
from harness.errors import DeviceOutputError, InputError
from harness.types import Records
from tests.device_agent.exported import Exported
from tests.devices.streams import batches, endless

FLOAT_TOLERANCE = 1e-5


def test_one_stream_feeds_all_variants_of_both_runtimes(local_device: Device, exported: Exported) -> None:
    artifacts = [exported.artifact(name) for name in ("net.tflite", "net.pte", "int8.tflite", "baked.tflite")]
    for artifact in artifacts:
        local_device.deploy(artifact)
        local_device.deploy(artifact)
    sizes = [1, 20, 1, 42]
    answers = list(local_device.invoke(artifacts, batches(exported.records(), sizes)))
    assert [a.number for a in answers] == [0, 1, 2, 3]
    for artifact in artifacts:
        logits = np.concatenate([a.outputs[artifact.key] for a in answers])
        tolerance = 0.05 if artifact.variant == "int8" else FLOAT_TOLERANCE
        np.testing.assert_allclose(logits, exported.logits, atol=tolerance)
        assert all(a.kernel_ns[artifact.key] > 0 for a in answers)


def test_text_models_take_ids_and_mask(local_device: Device, exported: Exported) -> None:
    artifacts = [exported.artifact(name) for name in ("text.tflite", "text.pte")]
    for artifact in artifacts:
        local_device.deploy(artifact)
    records = exported.text_records()
    swapped = replace(records, inputs=dict(reversed(list(records.inputs.items()))))
    (answer,) = local_device.invoke(artifacts, [(7, swapped)])
    assert answer.number == 7
    for artifact in artifacts:
        np.testing.assert_allclose(answer.outputs[artifact.key], exported.text_logits, atol=FLOAT_TOLERANCE)


def test_a_stream_without_batches_has_no_answers(local_device: Device, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    local_device.deploy(artifact)
    assert list(local_device.invoke([artifact], [])) == []


@pytest.mark.parametrize(("size", "ahead"), [(300, 5), (1, 5 * 16)])
def test_the_window_is_bounded(local_device: Device, exported: Exported, size: int, ahead: int) -> None:
    """Four messages are under way; small batches share one, a batch of 77 kB has its own."""
    artifact = exported.artifact("net.tflite")
    local_device.deploy(artifact)
    taken = 0

    def counted() -> Iterator[tuple[int, Records]]:
        nonlocal taken
        for taken in range(1, 101):
            yield taken, exported.records(size)

    for answered, _ in enumerate(local_device.invoke([artifact], counted()), start=1):
        assert taken - answered < ahead
    assert taken == 100


def test_a_consumer_that_leaves_early_frees_the_device(local_device: Device, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    local_device.deploy(artifact)
    before = set(threading.enumerate())
    for _ in range(5):
        answers = local_device.invoke([artifact], endless(exported.records()))
        next(answers)
        answers.close()
    assert len(list(local_device.invoke([artifact], batches(exported.records(), [64])))) == 1
    for thread in set(threading.enumerate()) - before:
        thread.join(20)
        assert not thread.is_alive()


def test_the_callers_own_error_passes_through(local_device: Device, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    local_device.deploy(artifact)

    def broken() -> Iterator[tuple[int, Records]]:
        yield 0, exported.records(1)
        raise RuntimeError("the disk of the records is gone")

    with pytest.raises(RuntimeError, match="disk of the records"):
        list(local_device.invoke([artifact], broken()))


def test_nan_is_refused_with_artifact_record_and_device(local_device: Device, exported: Exported) -> None:
    artifact = exported.artifact("sqrt.tflite")
    local_device.deploy(artifact)
    images = exported.images[:5].copy()
    images[3, 0, 0, 0] = -1.0
    records = replace(exported.records(5), inputs={"args_0": images})
    with pytest.raises(DeviceOutputError, match=r"local: target/sqrt/litert, batch 0: record 3 .*NaN") as error:
        list(local_device.invoke([artifact], [(0, records)]))
    assert error.value.exit_code == 3


def test_confidences_must_sum_to_one(local_device: Device, exported: Exported) -> None:
    right = exported.artifact("confident.tflite")
    local_device.deploy(right)
    (answer,) = local_device.invoke([right], [(0, exported.records())])
    np.testing.assert_allclose(answer.outputs[right.key].sum(axis=1), 1, atol=1e-5)
    wrong = replace(exported.artifact("net.tflite"), output_kind="confidences")
    local_device.deploy(wrong)
    with pytest.raises(DeviceOutputError, match="record 0 of the batch: confidences sum to"):
        list(local_device.invoke([wrong], [(0, exported.records())]))


def test_another_number_of_classes_is_refused(local_device: Device, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    local_device.deploy(artifact)
    claimed = replace(artifact, output=replace(artifact.output, shape=(12,)))
    with pytest.raises(DeviceOutputError, match=r"expected float32 \[64, 12\], got float32 \[64, 10\]"):
        list(local_device.invoke([claimed], [(0, exported.records())]))


def test_records_of_another_shape_are_an_input_error(local_device: Device, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    local_device.deploy(artifact)
    records = replace(exported.records(2), inputs={"args_0": np.zeros((2, 3, 8, 8), np.float32)})
    with pytest.raises(InputError, match=r"batch 5.*expected float32 \[n, 1, 8, 8\], got float32 \[2, 3, 8, 8\]"):
        list(local_device.invoke([artifact], [(5, records)]))
    double = replace(exported.records(2), inputs={"args_0": np.zeros((2, 1, 8, 8))})
    with pytest.raises(InputError, match="float64"):
        list(local_device.invoke([artifact], [(0, double)]))


def test_a_batch_over_the_message_limit_is_refused_with_advice(local_device: Device, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    local_device.deploy(artifact)
    large = replace(exported.records(1), inputs={"args_0": np.zeros((1, 1, 4200, 4200), np.float32)})
    with pytest.raises(InputError, match="smaller batch"):
        list(local_device.invoke([artifact], [(0, large)]))


def test_a_benchmark_gives_every_raw_sample(local_device: Device, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    local_device.deploy(artifact)
    result = local_device.benchmark(artifact, warmup=2, runs=50, batch_size=8)
    assert result.samples_ns.shape == (50,)
    assert result.samples_ns.dtype == np.int64
    assert result.samples_ns.min() > 0
    assert result.telemetry_before.time_unix_ns < result.telemetry_after.time_unix_ns
