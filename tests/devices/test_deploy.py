"""Artifacts on their way to a real agent, and away from it."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from harness.devices import Device, Timeouts, open_device
from harness.errors import ArtifactError, DeviceError
from harness.types import Artifact
from protos import CHUNK_BYTES
from protos.edgeleak.v1 import agent_pb2
from tests.device_agent.exported import Agent, Exported

RUNTIME = agent_pb2.RUNTIME_LITERT


def test_a_devices_description_is_json(local_device: Device) -> None:
    info = local_device.info()
    row = info.to_json()
    assert row["url"] == "local"
    assert set(info.runtimes) == {"litert", "executorch", "pytorch-mobile", "onnx"}
    assert info.telemetry.worker_resident_bytes


@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped"])
def test_a_damaged_file_never_leaves_the_host(
    local_device: Device, exported: Exported, tmp_path: Path, damage: str
) -> None:
    artifact = exported.artifact("net.tflite")
    data = bytearray(artifact.path.read_bytes())
    path = tmp_path / "model.tflite"
    if damage == "truncated":
        path.write_bytes(data[:-1])
    elif damage == "flipped":
        data[2000] ^= 1
        path.write_bytes(data)
    with pytest.raises(ArtifactError, match=str(path)) as error:
        local_device.deploy(replace(artifact, path=path))
    assert "edgeleak export" in str(error.value)
    assert {"missing": "No such file", "truncated": "truncated", "flipped": "altered"}[damage] in str(error.value)


def test_the_wrong_runtime_is_an_artifact_error(local_device: Device, exported: Exported) -> None:
    artifact = replace(exported.artifact("baked.pte"), runtime="litert")
    with pytest.raises(ArtifactError, match="looks like an ExecuTorch program"):
        local_device.deploy(artifact)


def test_what_is_not_deployed_is_not_invoked(local_device: Device, exported: Exported) -> None:
    artifact = exported.artifact("sqrt.pte")
    with pytest.raises(DeviceError, match="upload it first"):
        list(local_device.invoke([artifact], [(0, exported.records(1))]))


def test_a_purged_artifact_is_gone_and_a_second_purge_does_nothing(local_device: Device, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    local_device.deploy(artifact)
    local_device.purge([artifact])
    local_device.purge([artifact])
    with pytest.raises(DeviceError):
        list(local_device.invoke([artifact], [(0, exported.records(1))]))


def test_an_upload_resumes_over_the_network(agent: Agent, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    head = agent_pb2.UploadHeader(sha256=artifact.sha256, size_bytes=artifact.size_bytes, runtime=RUNTIME)
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
    head = agent_pb2.UploadHeader(sha256=artifact.sha256, size_bytes=artifact.size_bytes, runtime=RUNTIME)
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


def large(exported: Exported, folder: Path) -> Artifact:
    """A model with three chunks of padding, which no loader reads."""
    data = exported.path("net.tflite").read_bytes() + bytes(3 * CHUNK_BYTES)
    path = folder / "large.tflite"
    path.write_bytes(data)
    return replace(
        exported.artifact("net.tflite"), path=path, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest()
    )


def alter(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")


def test_a_large_file_that_was_altered_is_never_listed_and_the_export_replaces_what_was_sent(
    agent: Agent, exported: Exported, tmp_path: Path
) -> None:
    artifact = large(exported, tmp_path)
    alter(artifact.path)
    with open_device(agent.url) as remote:
        with pytest.raises(ArtifactError, match="altered: its SHA-256 starts"):
            remote.deploy(artifact)
        answer = agent.stub.QueryArtifact(agent_pb2.QueryArtifactRequest(sha256=artifact.sha256), timeout=10)
        assert not answer.complete
        assert answer.held_bytes < artifact.size_bytes
        remote.deploy(large(exported, tmp_path))
        assert len(list(remote.invoke([artifact], [(0, exported.records(1))]))) == 1


def test_a_file_is_hashed_once_until_it_changes(agent: Agent, exported: Exported, tmp_path: Path) -> None:
    artifact = large(exported, tmp_path)
    before = artifact.path.stat()
    with open_device(agent.url) as remote:
        remote.deploy(artifact)
        alter(artifact.path)
        os.utime(artifact.path, ns=(before.st_atime_ns, before.st_mtime_ns))
        # Only its content says that it is another one: nobody looks.
        remote.deploy(artifact)
        os.utime(artifact.path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        with pytest.raises(ArtifactError, match="altered"):
            remote.deploy(artifact)
    with open_device(agent.url) as another, pytest.raises(ArtifactError, match="altered"):
        another.deploy(artifact)


class SlowUpload:
    """Somebody else's upload of a file, which ends when it is told to."""

    def __init__(self, agent: Agent, artifact: Artifact) -> None:
        self._agent = agent
        self._data = artifact.path.read_bytes()
        self._head = agent_pb2.UploadHeader(sha256=artifact.sha256, size_bytes=artifact.size_bytes, runtime=RUNTIME)
        self.begun, self.go_on = threading.Event(), threading.Event()
        self._call = agent.stub.UploadArtifact.future(self._requests(), timeout=60)

    def _requests(self) -> Iterator[agent_pb2.UploadArtifactRequest]:
        yield agent_pb2.UploadArtifactRequest(header=self._head)
        yield agent_pb2.UploadArtifactRequest(chunk=self._data[:CHUNK_BYTES])
        self.begun.set()
        self.go_on.wait(60)
        for start in range(CHUNK_BYTES, len(self._data), CHUNK_BYTES):
            yield agent_pb2.UploadArtifactRequest(chunk=self._data[start : start + CHUNK_BYTES])

    def wait_until_under_way(self) -> None:
        """Until the agent holds its first part: gRPC takes requests before it sends them."""
        assert self.begun.wait(30)
        request = agent_pb2.QueryArtifactRequest(sha256=self._head.sha256)
        until = time.monotonic() + 30
        while not self._agent.stub.QueryArtifact(request, timeout=30).held_bytes:
            assert time.monotonic() < until, "the agent never got the first part"

    def end(self) -> None:
        self.go_on.set()
        self._call.result()


def test_a_host_waits_for_another_ones_upload_of_the_same_file(
    agent: Agent, exported: Exported, tmp_path: Path
) -> None:
    artifact = large(exported, tmp_path)
    slow = SlowUpload(agent, artifact)
    slow.wait_until_under_way()
    with open_device(agent.url) as remote:
        deploying = threading.Thread(target=remote.deploy, args=(artifact,))
        deploying.start()
        deploying.join(0.5)
        assert deploying.is_alive()
        slow.end()
        deploying.join(30)
        assert not deploying.is_alive()
        assert len(list(remote.invoke([artifact], [(0, exported.records(1))]))) == 1


def test_a_host_waits_for_another_ones_upload_no_longer_than_for_its_own(
    agent: Agent, exported: Exported, tmp_path: Path
) -> None:
    artifact = large(exported, tmp_path)
    slow = SlowUpload(agent, artifact)
    slow.wait_until_under_way()
    with (
        open_device(agent.url, timeouts=Timeouts(upload=1.0)) as remote,
        pytest.raises(DeviceError, match="is being uploaded by someone else"),
    ):
        remote.deploy(artifact)
    slow.end()
