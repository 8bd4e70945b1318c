"""Artifacts on their way to the device: resumed, verified, bounded, refused."""

from __future__ import annotations

import hashlib
import itertools
import re
import signal
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper

from device_agent.blobs import BlobStore
from device_agent.errors import AgentError
from protos import CHUNK_BYTES
from protos.edgeleak.v1 import agent_pb2
from tests.device_agent.exported import Agent, Exported, WatchedAgent, ended_by, status


def held(agent: Agent, digest: str) -> tuple[int, bool]:
    answer = agent.stub.QueryArtifact(agent_pb2.QueryArtifactRequest(sha256=digest), timeout=10)
    return answer.held_bytes, answer.complete


def test_an_upload_resumes_where_it_stopped(agent: Agent, exported: Exported) -> None:
    data = exported.path("net.tflite").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    head = agent_pb2.UploadHeader(sha256=digest, size_bytes=len(data), runtime=agent_pb2.RUNTIME_LITERT)

    def half() -> Iterator[agent_pb2.UploadArtifactRequest]:
        yield agent_pb2.UploadArtifactRequest(header=head)
        yield agent_pb2.UploadArtifactRequest(chunk=data[:1000])

    with pytest.raises(grpc.RpcError) as error:
        agent.stub.UploadArtifact(half(), timeout=10)
    assert status(error)[0] == "INVALID_ARGUMENT"
    assert "resume at 1000" in status(error)[1]
    assert held(agent, digest) == (1000, False)
    with pytest.raises(grpc.RpcError) as error:
        agent.upload(exported.path("net.tflite"))
    assert status(error)[0] == "FAILED_PRECONDITION"
    assert agent.upload(exported.path("net.tflite"), offset=1000) == digest
    assert held(agent, digest) == (len(data), True)


def test_a_wrong_digest_leaves_nothing_in_the_store(agent: Agent, exported: Exported) -> None:
    with pytest.raises(grpc.RpcError) as error:
        agent.upload(exported.path("net.tflite"), sha256="0" * 64)
    assert status(error)[0] == "DATA_LOSS"
    assert held(agent, "0" * 64) == (0, False)


def test_another_runtimes_file_is_refused_with_what_it_looks_like(agent: Agent, exported: Exported) -> None:
    with pytest.raises(grpc.RpcError) as error:
        agent.upload(exported.path("net.pte"), runtime="litert")
    code, message = status(error)
    assert code == "INVALID_ARGUMENT"
    assert "is not a LiteRT file; it looks like an ExecuTorch program" in message
    with pytest.raises(grpc.RpcError) as error:
        agent.upload(exported.path("net.tflite"), runtime="executorch")
    assert "is not an ExecuTorch program; it looks like a LiteRT file" in status(error)[1]
    with pytest.raises(grpc.RpcError) as error:
        agent.upload(exported.path("net.onnx"), runtime="pytorch-mobile")
    assert "is not a PyTorch Mobile archive; it looks like an ONNX model" in status(error)[1]
    with pytest.raises(grpc.RpcError) as error:
        agent.upload(exported.path("net.ptl"), runtime="onnx")
    assert "is not an ONNX model; it looks like a PyTorch Mobile archive" in status(error)[1]


@pytest.mark.parametrize("name", ["net.tflite", "net.pte", "net.ptl", "net.onnx"])
@pytest.mark.parametrize("damage", ["garbage", "truncated", "flipped"])
def test_a_malformed_file_is_refused_and_removed(
    shared_agent: Agent, exported: Exported, tmp_path: Path, name: str, damage: str
) -> None:
    data = exported.path(name).read_bytes()
    random = np.random.default_rng(1)
    spoilt = {
        "garbage": data[:8] + random.bytes(len(data)),
        "truncated": data[: len(data) // 2],
        "flipped": data[:8] + bytes(b ^ 0xFF for b in data[8:400]) + data[400:],
    }[damage]
    path = tmp_path / name
    path.write_bytes(spoilt)
    with pytest.raises(grpc.RpcError) as error:
        shared_agent.upload(path)
    code, message = status(error)
    digest = hashlib.sha256(spoilt).hexdigest()
    assert code == "INVALID_ARGUMENT"
    assert digest[:12] in message
    assert held(shared_agent, digest) == (0, False)
    # The agent is none the worse.
    shared_agent.invoke([shared_agent.upload(exported.path(name))], [{"args_0": exported.images}])


def archive(members: dict[str, bytes], path: Path, *, how: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", how) as target:
        for name, content in members.items():
            target.writestr(f"net/{name}", content)
    return path


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        (None, "has no extra/inputs.json"),
        (b"{}", "extra/inputs.json of the archive: 'inputs'"),
        (b'{"inputs": []}', "names no inputs"),
        (b"[" * 60_000, "is damaged"),
        (b" " * 70_000, "is over 65536 bytes"),
        (b'{"inputs": [{"name": "x", "dtype": "object", "shape": [1]}]}', "dtype 'object'"),
        (b'{"inputs": [{"name": "x", "dtype": "float32", "shape": [-1]}]}', "shape [-1]"),
    ],
)
def test_an_archive_that_does_not_say_what_it_takes_is_refused(
    shared_agent: Agent, exported: Exported, tmp_path: Path, inputs: bytes | None, reason: str
) -> None:
    with zipfile.ZipFile(exported.path("net.ptl")) as whole:
        members = {n.partition("/")[2]: whole.read(n) for n in whole.namelist() if not n.endswith("inputs.json")}
    if inputs is not None:
        members["extra/inputs.json"] = inputs
    with pytest.raises(grpc.RpcError) as error:
        shared_agent.upload(archive(members, tmp_path / "net.ptl"))
    assert status(error)[0] == "INVALID_ARGUMENT"
    assert reason in status(error)[1]


def test_an_archive_that_unpacks_without_end_is_refused(shared_agent: Agent, tmp_path: Path) -> None:
    bomb = archive({"bytecode.pkl": bytes(50_000_000)}, tmp_path / "bomb.ptl", how=zipfile.ZIP_DEFLATED)
    with pytest.raises(grpc.RpcError) as error:
        shared_agent.upload(bomb)
    assert status(error)[0] == "INVALID_ARGUMENT"
    assert "would unpack to 50000000" in status(error)[1]


@pytest.mark.parametrize("place", ["/etc/hostname", "../secret", "nowhere"])
def test_an_onnx_model_cannot_read_the_devices_files(
    start_agent: Callable[..., Agent], tmp_path: Path, place: str
) -> None:
    """A weight that lies outside the model's file, in a file that is the device's own."""
    (tmp_path / "secret").write_bytes(bytes(64))
    agent = start_agent("--store", str(tmp_path / "store"))
    weight = onnx.TensorProto(name="w", data_type=1, dims=[4, 4], data_location=onnx.TensorProto.EXTERNAL)
    for key, value in (("location", place), ("offset", "0"), ("length", "64")):
        weight.external_data.add(key=key, value=value)
    x, y = (helper.make_tensor_value_info(name, 1, ["b", 4]) for name in "xy")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [weight])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)], producer_name="x")
    path = tmp_path / "outside.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(grpc.RpcError) as error:
        agent.upload(path)
    assert status(error)[0] == "INVALID_ARGUMENT"
    assert "the ONNX loader refused the file" in status(error)[1]


@pytest.mark.parametrize(
    ("opset", "operation", "message"),
    [(99, "MatMul", r"Opset 99 .* till opset \d+"), (20, "Foo", r'"layer_7", Foo,.* No Op registered for Foo')],
)
def test_what_an_onnx_runtime_lacks_is_named_without_its_own_sources(
    shared_agent: Agent, tmp_path: Path, opset: int, operation: str, message: str
) -> None:
    weight = onnx.numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    x, y = (helper.make_tensor_value_info(name, 1, ["b", 4]) for name in "xy")
    node = helper.make_node(operation, ["x", "w"], ["y"], name="layer_7")
    graph = helper.make_graph([node], "g", [x], [y], [weight])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", opset)])
    path = tmp_path / "new.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(grpc.RpcError) as error:
        shared_agent.upload(path)
    code, refusal = status(error)
    assert code == "INVALID_ARGUMENT"
    assert re.search(message, refusal)
    assert not re.search(r"ONNXRuntimeError|/tmp|onnxruntime_src", refusal)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGSEGV, "INVALID_ARGUMENT"), (signal.SIGKILL, "INTERNAL")])
def test_a_loader_that_crashes_blames_the_file_one_that_is_killed_does_not(
    watched_agent: WatchedAgent, exported: Exported, number: signal.Signals, code: str
) -> None:
    with (
        watched_agent.supervisor.worker_under_request(ended_by(number)),
        pytest.raises(grpc.RpcError) as error,
    ):
        watched_agent.upload(exported.path("net.tflite"))
    assert status(error)[0] == code
    assert number.name in status(error)[1]
    assert hashlib.sha256(exported.path("net.tflite").read_bytes()).hexdigest()[:12] in status(error)[1]
    assert watched_agent.upload(exported.path("net.tflite"))


def test_an_upload_over_the_store_limit_is_refused_with_the_option(
    start_agent: Callable[..., Agent], exported: Exported
) -> None:
    agent = start_agent("--max-store-bytes", "1000")
    with pytest.raises(grpc.RpcError) as error:
        agent.upload(exported.path("net.tflite"))
    assert status(error)[0] == "RESOURCE_EXHAUSTED"
    assert "--max-store-bytes" in status(error)[1]


def test_a_full_disk_is_refused_and_the_partial_file_is_removed(
    start_agent: Callable[..., Agent], exported: Exported
) -> None:
    # A limit on the size of files is the full disk that every user can make: 2 blocks of 1 KiB.
    agent = start_agent(prefix=("bash", "-c", 'ulimit -f 2; exec "$@"', "bash"))
    digest = hashlib.sha256(exported.path("net.tflite").read_bytes()).hexdigest()
    with pytest.raises(grpc.RpcError) as error:
        agent.upload(exported.path("net.tflite"))
    assert status(error)[0] == "RESOURCE_EXHAUSTED"
    assert "disk" in status(error)[1]
    assert held(agent, digest) == (0, False)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_a_malformed_digest_is_refused(agent: Agent, digest: str) -> None:
    with pytest.raises(grpc.RpcError) as error:
        held(agent, digest)
    assert status(error)[0] == "INVALID_ARGUMENT"


def test_a_deleted_artifact_is_not_found_and_a_second_delete_does_nothing(agent: Agent, exported: Exported) -> None:
    digest = agent.upload(exported.path("net.tflite"))
    agent.invoke([digest], [{"args_0": exported.images}])
    request = agent_pb2.DeleteArtifactRequest(sha256=digest)
    assert agent.stub.DeleteArtifact(request, timeout=10).deleted
    assert not agent.stub.DeleteArtifact(request, timeout=10).deleted
    with pytest.raises(grpc.RpcError) as error:
        agent.invoke([digest], [])
    assert status(error)[0] == "NOT_FOUND"


def test_a_large_chunk_is_refused(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, max_bytes=10 * CHUNK_BYTES)
    with pytest.raises(AgentError, match="1 MiB"):
        store.receive(
            "0" * 64, runtime="litert", size_bytes=2 * CHUNK_BYTES, offset_bytes=0, chunks=[bytes(CHUNK_BYTES + 1)]
        )
    assert not [path for path in tmp_path.rglob("0*") if path.is_file()]
    assert store.held("0" * 64) == (0, False)
    store.close()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(min_size=1, max_size=300), cuts=st.lists(st.integers(0, 300), max_size=6), too_much=st.booleans())
def test_any_cutting_gives_the_file_or_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, cuts: list[int], too_much: bool
) -> None:
    """However an upload is cut into attempts, the store ends with exactly the file, or refuses what is too much."""
    store = BlobStore(tmp_path_factory.mktemp("store"), max_bytes=1000)
    digest = hashlib.sha256(data).hexdigest()

    def send(chunk: bytes, offset: int) -> None:
        store.publish(
            store.receive(digest, runtime="litert", size_bytes=len(data), offset_bytes=offset, chunks=[chunk])
        )

    edges = sorted({0, *(c for c in cuts if c < len(data)), len(data)})
    for start, end in itertools.pairwise(edges):
        assert store.held(digest) == (start, False)
        if end < len(data):
            with pytest.raises(AgentError, match=f"resume at {end}"):
                send(data[start:end], start)
        elif too_much:
            with pytest.raises(AgentError, match="more than"):
                send(data[start:] + b"!", start)
            assert store.held(digest) == (0, False)
        else:
            send(data[start:], start)
            assert store.require(digest).path.read_bytes() == data
    store.close()
