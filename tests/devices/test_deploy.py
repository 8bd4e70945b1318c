"""Artifacts on their way to a real agent, and away from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from harness.devices import Device, open_device
from harness.errors import ArtifactError, DeviceError
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
