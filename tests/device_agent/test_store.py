"""The store: what is listed was loaded, what is not whole has a bound, and what lies in it is the agent's own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from device_agent.blobs import Blob, BlobStore
from device_agent.errors import AgentError
from protos import CHUNK_BYTES
from protos.edgeleak.v1 import agent_pb2
from tests.device_agent.exported import Agent, Exported, status

MAX_BYTES = 100_000


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[BlobStore]:
    with closing(BlobStore(tmp_path / "store", max_bytes=MAX_BYTES, clock=clock)) as opened:
        yield opened


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def receive(store: BlobStore, data: bytes, *, offset: int = 0) -> Blob:
    return store.receive(
        digest_of(data), runtime="litert", size_bytes=len(data), offset_bytes=offset, chunks=[data[offset:]]
    )


def break_off(store: BlobStore, data: bytes, held: int) -> str:
    """Upload the first bytes of a file; its digest."""
    digest = digest_of(data)
    with pytest.raises(AgentError, match=f"resume at {held}"):
        store.receive(digest, runtime="litert", size_bytes=len(data), offset_bytes=0, chunks=[data[:held]])
    return digest


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "store.lock"]


def test_what_was_received_is_not_listed_before_it_is_published(store: BlobStore) -> None:
    blob = receive(store, b"model")
    assert store.list() == []
    with pytest.raises(AgentError, match="upload it first"):
        store.require(blob.sha256)
    with pytest.raises(AgentError, match="being uploaded by someone else; try again") as error:
        receive(store, b"model")
    assert error.value.code == "ABORTED"
    store.publish(blob)
    assert store.list() == [store.require(blob.sha256)] == [blob]
    assert store.held(blob.sha256) == (5, True)


def test_what_is_discarded_leaves_nothing(store: BlobStore, tmp_path: Path) -> None:
    store.discard(receive(store, b"model"))
    assert files_in(tmp_path) == []
    assert list(store.complete_folder.iterdir()) == []
    store.publish(receive(store, b"model"))


def test_what_is_postponed_lacks_no_byte_of_the_next_upload(store: BlobStore) -> None:
    blob = receive(store, b"model")
    store.postpone(blob)
    assert store.held(blob.sha256) == (5, False)
    assert list(store.complete_folder.iterdir()) == []
    again = receive(store, b"model", offset=5)
    store.publish(again)
    assert again.path.read_bytes() == b"model"


def test_each_artifact_lies_in_a_folder_whose_name_cannot_be_guessed(store: BlobStore) -> None:
    blobs = [receive(store, name) for name in (b"one", b"two")]
    for blob in blobs:
        folder, name = blob.path.relative_to(store.complete_folder).parts
        assert re.fullmatch("[0-9a-f]{32}", folder)
        assert name == f"{blob.sha256}.tflite"
    assert blobs[0].path.parent != blobs[1].path.parent


def test_the_head_of_a_resumed_upload_is_verified_too(store: BlobStore, tmp_path: Path) -> None:
    data = bytes(range(256)) * 100
    digest = break_off(store, data, 1000)
    (part,) = files_in(tmp_path)
    part.write_bytes(b"?" + data[1:1000])
    with pytest.raises(AgentError) as error:
        receive(store, data, offset=1000)
    assert error.value.code == "DATA_LOSS"
    assert store.held(digest) == (0, False)
    assert files_in(tmp_path) == []


def test_a_large_upload_in_several_chunks_is_the_file(tmp_path: Path) -> None:
    data = b"".join(bytes([number]) * CHUNK_BYTES for number in range(3)) + b"end"
    chunks = [data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES)]
    digest = digest_of(data)
    with closing(BlobStore(tmp_path, max_bytes=10 * CHUNK_BYTES)) as store:
        with pytest.raises(AgentError, match="resume at"):
            store.receive(digest, runtime="litert", size_bytes=len(data), offset_bytes=0, chunks=chunks[:2])
        blob = store.receive(
            digest, runtime="litert", size_bytes=len(data), offset_bytes=2 * CHUNK_BYTES, chunks=chunks[2:]
        )
        assert blob.path.read_bytes() == data


def test_abandoned_uploads_are_bounded_in_number(store: BlobStore) -> None:
    digests = [break_off(store, b"%d is cut" % number, 3) for number in range(100)]
    held = [digest for digest in digests if store.held(digest)[0]]
    assert held == digests[-32:]


def test_abandoned_uploads_are_bounded_in_bytes_but_for_the_newest(store: BlobStore) -> None:
    digests = [break_off(store, b"%d" % number + bytes(20_000), 15_000) for number in range(3)]
    assert [store.held(digest)[0] for digest in digests] == [0, 0, 15_000]
    large = break_off(store, bytes(90_000), 80_000)
    assert [store.held(digest)[0] for digest in (*digests, large)] == [0, 0, 0, 80_000]


def test_an_abandoned_upload_gives_way_to_a_new_one_and_what_is_listed_does_not(store: BlobStore) -> None:
    listed = receive(store, b"a" * 40_000)
    store.publish(listed)
    abandoned = break_off(store, b"b" * 60_000, 50_000)
    store.publish(receive(store, b"c" * 55_000))
    assert store.held(abandoned) == (0, False)
    with pytest.raises(AgentError, match="95000 of 100000 are in use") as error:
        receive(store, b"d" * 10_000)
    assert error.value.code == "RESOURCE_EXHAUSTED"
    assert store.require(listed.sha256) == listed


def test_an_abandoned_upload_is_removed_after_an_hour(store: BlobStore, clock: Clock, tmp_path: Path) -> None:
    digest = break_off(store, b"a" * 1000, 500)
    clock.now = 3599.0
    store.list()
    assert store.held(digest) == (500, False)
    clock.now = 3601.0
    store.list()
    assert store.held(digest) == (0, False)
    assert files_in(tmp_path) == []


def test_tiny_artifacts_are_bounded_in_number(tmp_path: Path) -> None:
    with closing(BlobStore(tmp_path, max_bytes=MAX_BYTES, max_artifacts=50)) as store:
        for number in range(50):
            store.publish(receive(store, b"%d" % number))
        with pytest.raises(AgentError, match="50 artifacts, which is the most; delete some") as error:
            receive(store, b"one more")
        assert error.value.code == "RESOURCE_EXHAUSTED"
        assert store.delete(digest_of(b"7"))
        store.publish(receive(store, b"one more"))


@pytest.mark.parametrize(("declared", "why"), [(10 * 10**9, "--max-store-bytes"), (2**62, "--max-store-bytes")])
def test_more_than_the_store_takes_is_refused_at_the_header(agent: Agent, declared: int, why: str) -> None:
    assert why in refusal_of(agent, declared)


def test_more_than_the_disk_takes_is_refused_at_the_header(start_agent: Callable[..., Agent]) -> None:
    agent = start_agent("--max-store-bytes", str(2**61))
    assert "are free on the device's disk" in refusal_of(agent, 2**60)


def refusal_of(agent: Agent, declared: int) -> str:
    header = agent_pb2.UploadHeader(sha256="0" * 64, size_bytes=declared, runtime=agent_pb2.RUNTIME_LITERT)
    asked = 0

    def requests() -> Iterator[agent_pb2.UploadArtifactRequest]:
        nonlocal asked
        yield agent_pb2.UploadArtifactRequest(header=header)
        while True:
            asked += 1
            yield agent_pb2.UploadArtifactRequest(chunk=bytes(CHUNK_BYTES))

    with pytest.raises(grpc.RpcError) as error:
        agent.stub.UploadArtifact(requests(), timeout=30)
    code, message = status(error)
    assert code == "RESOURCE_EXHAUSTED"
    assert asked < 100
    return message


@pytest.mark.parametrize("name", ["net.tflite", "net.pte", "net.ptl", "net.onnx"])
def test_a_deleted_artifact_leaves_no_open_file(shared_agent: Agent, exported: Exported, name: str) -> None:
    digest = shared_agent.upload(exported.path(name))
    shared_agent.invoke([digest], [{"args_0": exported.images}])
    assert shared_agent.stub.DeleteArtifact(agent_pb2.DeleteArtifactRequest(sha256=digest), timeout=10).deleted
    processes = [shared_agent.process.pid, shared_agent.worker().pid]
    open_files = [Path(f"/proc/{pid}/maps").read_text() for pid in processes]
    open_files += [str(path.readlink()) for pid in processes for path in Path(f"/proc/{pid}/fd").iterdir()]
    assert not [text for text in open_files if digest in text]
