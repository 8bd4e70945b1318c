"""The host's side of a device: real agents, real models, and every way in which they can fail."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import psutil
import pytest

import harness.devices
from harness.devices import BatchAnswer, Device, FakeDevice, Timeouts, check_url, open_device
from harness.errors import (
    ArtifactError,
    DeviceError,
    DeviceLostError,
    DeviceOutputError,
    DeviceUnavailableError,
    InputError,
    ProtocolError,
    UsageError,
)
from harness.types import Records
from protos.edgeleak.v1 import agent_pb2, agent_pb2_grpc
from tests.device_agent.exported import Agent, Exported

FLOAT_TOLERANCE = 1e-5
IMPATIENT = Timeouts(connect=20.0, idle=1.5)
START = Timeouts(connect=60.0)


@pytest.fixture(scope="module")
def device(exported: Exported) -> Iterator[Device]:
    with open_device("local", timeouts=START) as opened:
        yield opened


def batches(records: Records, sizes: list[int]) -> Iterator[tuple[int, Records]]:
    start = 0
    for number, size in enumerate(sizes):
        yield number, records.take(slice(start, start + size))
        start += size


def endless(records: Records) -> Iterator[tuple[int, Records]]:
    number = 0
    while True:
        yield number, records
        number += 1


def test_one_stream_feeds_all_variants_of_both_runtimes(device: Device, exported: Exported) -> None:
    artifacts = [exported.artifact(name) for name in ("net.tflite", "net.pte", "int8.tflite", "baked.tflite")]
    for artifact in artifacts:
        device.deploy(artifact)
        device.deploy(artifact)
    sizes = [1, 20, 1, 42]
    answers = list(device.invoke(artifacts, batches(exported.records(), sizes)))
    assert [a.number for a in answers] == [0, 1, 2, 3]
    for artifact in artifacts:
        logits = np.concatenate([a.outputs[artifact.key] for a in answers])
        tolerance = 0.05 if artifact.variant == "int8" else FLOAT_TOLERANCE
        np.testing.assert_allclose(logits, exported.logits, atol=tolerance)
        assert all(a.kernel_ns[artifact.key] > 0 for a in answers)


def test_text_models_take_ids_and_mask(device: Device, exported: Exported) -> None:
    artifacts = [exported.artifact(name) for name in ("text.tflite", "text.pte")]
    for artifact in artifacts:
        device.deploy(artifact)
    records = exported.text_records()
    swapped = replace(records, inputs=dict(reversed(records.inputs.items())))
    (answer,) = device.invoke(artifacts, [(7, swapped)])
    assert answer.number == 7
    for artifact in artifacts:
        np.testing.assert_allclose(answer.outputs[artifact.key], exported.text_logits, atol=FLOAT_TOLERANCE)


def test_no_batches_no_answers(device: Device, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    device.deploy(artifact)
    assert list(device.invoke([artifact], [])) == []


def test_the_window_is_bounded(device: Device, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    device.deploy(artifact)
    taken = 0

    def counted() -> Iterator[tuple[int, Records]]:
        nonlocal taken
        for taken in range(1, 101):
            yield taken, exported.records(1)

    for answered, _ in enumerate(device.invoke([artifact], counted()), start=1):
        assert taken - answered < 5
    assert taken == 100


def test_a_consumer_that_leaves_early_frees_the_device(device: Device, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    device.deploy(artifact)
    before = threading.active_count()
    for _ in range(5):
        answers = device.invoke([artifact], endless(exported.records()))
        next(answers)
        answers.close()
    assert len(list(device.invoke([artifact], batches(exported.records(), [64])))) == 1
    deadline = time.monotonic() + 20
    while threading.active_count() > before + 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() <= before + 2


def test_the_callers_own_error_passes_through(device: Device, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    device.deploy(artifact)

    def broken() -> Iterator[tuple[int, Records]]:
        yield 0, exported.records(1)
        raise RuntimeError("the disk of the records is gone")

    with pytest.raises(RuntimeError, match="disk of the records"):
        list(device.invoke([artifact], broken()))


def test_nan_names_artifact_record_and_device(device: Device, exported: Exported) -> None:
    artifact = exported.artifact("sqrt.tflite")
    device.deploy(artifact)
    images = exported.images[:5].copy()
    images[3, 0, 0, 0] = -1.0
    records = replace(exported.records(5), inputs={"args_0": images})
    with pytest.raises(DeviceOutputError, match=r"local: target/sqrt/litert, batch 0: record 3 .*NaN") as error:
        list(device.invoke([artifact], [(0, records)]))
    assert error.value.exit_code == 3


def test_confidences_must_sum_to_one(device: Device, exported: Exported) -> None:
    right = exported.artifact("confident.tflite")
    device.deploy(right)
    (answer,) = device.invoke([right], [(0, exported.records())])
    np.testing.assert_allclose(answer.outputs[right.key].sum(axis=1), 1, atol=1e-5)
    wrong = replace(exported.artifact("net.tflite"), output_kind="confidences")
    device.deploy(wrong)
    with pytest.raises(DeviceOutputError, match="record 0 of the batch: confidences sum to"):
        list(device.invoke([wrong], [(0, exported.records())]))


def test_other_number_of_classes_is_refused(device: Device, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    device.deploy(artifact)
    claimed = replace(artifact, output=replace(artifact.output, shape=(12,)))
    with pytest.raises(DeviceOutputError, match=r"expected float32 \[64, 12\], got float32 \[64, 10\]"):
        list(device.invoke([claimed], [(0, exported.records())]))


def test_records_of_another_shape_are_an_input_error(device: Device, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    device.deploy(artifact)
    records = replace(exported.records(2), inputs={"args_0": np.zeros((2, 3, 8, 8), np.float32)})
    with pytest.raises(InputError, match=r"batch 5.*expected float32 \[n, 1, 8, 8\], got float32 \[2, 3, 8, 8\]"):
        list(device.invoke([artifact], [(5, records)]))
    double = replace(exported.records(2), inputs={"args_0": np.zeros((2, 1, 8, 8))})
    with pytest.raises(InputError, match="float64"):
        list(device.invoke([artifact], [(0, double)]))


def test_a_batch_over_the_message_limit_says_so(device: Device, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    device.deploy(artifact)
    large = replace(exported.records(1), inputs={"args_0": np.zeros((1, 1, 4200, 4200), np.float32)})
    with pytest.raises(InputError, match="smaller batch"):
        list(device.invoke([artifact], [(0, large)]))


def test_benchmark_gives_raw_samples(device: Device, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    device.deploy(artifact)
    result = device.benchmark(artifact, warmup=2, runs=50, batch_size=8)
    assert result.samples_ns.shape == (50,)
    assert result.samples_ns.dtype == np.int64
    assert result.samples_ns.min() > 0
    assert result.telemetry_before.time_unix_ns < result.telemetry_after.time_unix_ns


def test_info_is_json(device: Device) -> None:
    info = device.info()
    row = info.to_json()
    assert row["url"] == "local"
    assert set(info.runtimes) == {"litert", "executorch", "pytorch-mobile", "onnx"}
    assert info.telemetry.worker_resident_bytes


@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped"])
def test_a_damaged_file_never_leaves_the_host(device: Device, exported: Exported, tmp_path: Path, damage: str) -> None:
    artifact = exported.artifact("net.tflite")
    data = bytearray(artifact.path.read_bytes())
    path = tmp_path / "model.tflite"
    if damage == "truncated":
        path.write_bytes(data[:-1])
    elif damage == "flipped":
        data[2000] ^= 1
        path.write_bytes(data)
    with pytest.raises(ArtifactError, match=str(path)) as error:
        device.deploy(replace(artifact, path=path))
    assert "edgeleak export" in str(error.value)
    assert {"missing": "No such file", "truncated": "truncated", "flipped": "altered"}[damage] in str(error.value)


def test_the_wrong_runtime_is_an_artifact_error(device: Device, exported: Exported) -> None:
    artifact = replace(exported.artifact("baked.pte"), runtime="litert")
    with pytest.raises(ArtifactError, match="looks like an ExecuTorch program"):
        device.deploy(artifact)


def test_what_is_not_deployed_is_not_invoked(device: Device, exported: Exported) -> None:
    artifact = exported.artifact("sqrt.pte")
    with pytest.raises(DeviceError, match="upload it first"):
        list(device.invoke([artifact], [(0, exported.records(1))]))


def test_purge_removes(device: Device, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    device.deploy(artifact)
    device.purge([artifact])
    device.purge([artifact])
    with pytest.raises(DeviceError):
        list(device.invoke([artifact], [(0, exported.records(1))]))


def test_an_upload_resumes_over_the_network(agent: Agent, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    head = agent_pb2.UploadHeader(sha256=artifact.sha256, size_bytes=artifact.size_bytes, runtime=1)
    first = [
        agent_pb2.UploadArtifactRequest(header=head),
        agent_pb2.UploadArtifactRequest(chunk=artifact.path.read_bytes()[:1500]),
    ]
    with pytest.raises(grpc.RpcError):
        agent.stub.UploadArtifact(iter(first), timeout=10)
    with open_device(agent.url) as remote:
        remote.deploy(artifact)
        assert len(list(remote.invoke([artifact], [(0, exported.records())]))) == 1


def test_a_damaged_partial_is_uploaded_anew(agent: Agent, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    head = agent_pb2.UploadHeader(sha256=artifact.sha256, size_bytes=artifact.size_bytes, runtime=1)
    first = [agent_pb2.UploadArtifactRequest(header=head), agent_pb2.UploadArtifactRequest(chunk=b"damaged")]
    with pytest.raises(grpc.RpcError):
        agent.stub.UploadArtifact(iter(first), timeout=10)
    with open_device(agent.url) as remote:
        remote.deploy(artifact)


def test_leaving_removes_what_was_deployed_and_no_more(agent: Agent, exported: Exported) -> None:
    ours, theirs = exported.artifact("net.tflite"), exported.artifact("baked.tflite")
    agent.upload(theirs.path)
    with open_device(agent.url) as remote:
        remote.deploy(ours)
        remote.deploy(theirs)
    listed = agent.stub.ListArtifacts(agent_pb2.ListArtifactsRequest(), timeout=10).artifacts
    assert [a.sha256 for a in listed] == [theirs.sha256]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "locale",
        "grpc://",
        "grpc://host",
        "http://127.0.0.1:1",
        "grpc://h:x",
        "grpc://h:1/x",
        "grpc://[::1",
        "grpc://a@h:1",
    ],
)
def test_other_urls_are_usage_errors(url: str) -> None:
    with pytest.raises(UsageError, match="grpc://HOST:PORT"):
        open_device(url)
    with pytest.raises(UsageError):
        check_url(url)


def test_known_urls_pass_without_contact() -> None:
    for url in ("local", "grpc://127.0.0.1:1", "grpc://[::1]:50051", "grpc://phone.example:50051"):
        check_url(url)


def test_nobody_listening_says_how_to_start_an_agent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"grpc://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(DeviceUnavailableError, match="edgeleak-agent --listen") as error:
            open_device(url, timeouts=Timeouts(connect=2.0))
    assert url in str(error.value)


def test_something_that_never_answers_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"grpc://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(DeviceUnavailableError):
            open_device(url, timeouts=Timeouts(connect=1.0))


@pytest.mark.parametrize(("version", "side"), [(99, "this host"), (0, "the agent")])
def test_another_protocol_version_names_the_side_to_upgrade(version: int, side: str) -> None:
    class Other(agent_pb2_grpc.AgentServiceServicer):
        def GetDeviceInfo(self, request: object, context: object) -> agent_pb2.GetDeviceInfoResponse:  # noqa: N802
            return agent_pb2.GetDeviceInfoResponse(protocol_version=version)

    server = grpc.server(ThreadPoolExecutor(1))
    agent_pb2_grpc.add_AgentServiceServicer_to_server(Other(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with pytest.raises(ProtocolError, match=f"version {version}.*upgrade edgeleak on {side}"):
            open_device(f"grpc://127.0.0.1:{port}")
    finally:
        server.stop(0).wait()


def test_another_service_is_a_protocol_error() -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with pytest.raises(ProtocolError, match="not an edgeleak agent"):
            open_device(f"grpc://127.0.0.1:{port}")
    finally:
        server.stop(0).wait()


@pytest.mark.parametrize("local", [False, True])
def test_a_killed_agent_is_lost_within_seconds(agent: Agent, exported: Exported, local: bool) -> None:
    artifact = exported.artifact("net.tflite")
    with open_device("local" if local else agent.url, timeouts=START) as device:
        device.deploy(artifact)
        answers = device.invoke([artifact], endless(exported.records()))
        next(answers)
        os.kill(device.info().pid, signal.SIGKILL)
        with pytest.raises(DeviceLostError, match="collected batches are kept") as error:
            for _ in answers:
                pass
        assert device.url in str(error.value)
        with pytest.raises(DeviceLostError):
            device.info()


def test_a_hung_agent_is_lost_after_the_idle_time(agent: Agent, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    with open_device(agent.url, timeouts=IMPATIENT) as device:
        device.deploy(artifact)
        answers = device.invoke([artifact], endless(exported.records()))
        next(answers)
        agent.process.send_signal(signal.SIGSTOP)
        with pytest.raises(DeviceLostError, match=r"no answer for 1\.5 s"):
            for _ in answers:
                pass
        agent.process.send_signal(signal.SIGCONT)


def test_a_slow_consumer_is_not_a_lost_device(exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    with open_device("local", timeouts=replace(START, idle=0.5)) as device:
        device.deploy(artifact)
        answers = device.invoke([artifact], batches(exported.records(), [8] * 8))
        seen: list[BatchAnswer] = []
        for answer in answers:
            time.sleep(0.8 if answer.number == 2 else 0)
            seen.append(answer)
    assert len(seen) == 8


def test_a_crashed_worker_is_an_error_and_the_device_goes_on(agent: Agent, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    with open_device(agent.url) as device:
        device.deploy(artifact)
        answers = device.invoke([artifact], endless(exported.records()))
        next(answers)
        worker = agent.worker()
        # Stopped, it holds the next batch; idle, it would be replaced in silence.
        worker.suspend()
        threading.Timer(1.0, worker.kill).start()
        with pytest.raises(DeviceError, match=r"worker died \(SIGKILL, perhaps out of memory\)"):
            for _ in answers:
                pass
        assert len(list(device.invoke([artifact], [(0, exported.records())]))) == 1


def test_local_agent_ends_with_its_host(tmp_path: Path) -> None:
    """However the host dies: killed, its agent and the agent's files go too."""
    code = (
        "import time, harness.devices as d; x = d.open_device('local', timeouts=d.Timeouts(connect=60));"
        "print(x.info().pid, flush=True); time.sleep(600)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as host:
        assert host.stdout is not None
        agent = psutil.Process(int(host.stdout.readline()))
        host.kill()
    with contextlib.suppress(psutil.NoSuchProcess):
        agent.wait(20)
    assert not list(tmp_path.glob("edgeleak-local-*/edgeleak-agent-*"))


def test_local_agent_leaves_nothing(exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with open_device("local", timeouts=START) as device:
        pid = device.info().pid
        device.deploy(exported.artifact("net.tflite"))
        assert list(tmp_path.iterdir())
    assert not psutil.pid_exists(pid)
    assert list(tmp_path.iterdir()) == []
    device.close()


def test_a_local_agent_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(DeviceUnavailableError, match="exit status 1"):
        open_device("local")


def test_fake_device_serves_tests(exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    fake: Device = FakeDevice(lambda artifact, records: np.full((len(records), 10), len(artifact.key)))
    with fake, pytest.raises(DeviceError):
        list(fake.invoke([artifact], [(0, exported.records(2))]))
    fake.deploy(artifact)
    (answer,) = fake.invoke([artifact], [(0, exported.records(2))])
    assert answer.outputs[artifact.key].shape == (2, 10)
    assert fake.benchmark(artifact, runs=3).samples_ns.shape == (3,)
    assert fake.info().emulated


def test_the_face_is_pinned() -> None:
    assert harness.devices.__all__ == [
        "BatchAnswer",
        "BenchmarkResult",
        "Device",
        "DeviceInfo",
        "FakeDevice",
        "Signature",
        "Telemetry",
        "TensorInfo",
        "Timeouts",
        "check_url",
        "open_device",
    ]


def test_importing_the_room_imports_no_torch_and_no_agent() -> None:
    code = "import sys, harness.devices; sys.exit(bool({'torch', 'device_agent', 'ai_edge_litert'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
