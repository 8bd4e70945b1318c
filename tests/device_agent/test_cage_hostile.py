"""Model files that attack the device by what their formats allow: each is refused, and the agent goes on."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import psutil
import pytest

from protos import CHUNK_BYTES
from protos.edgeleak.v1 import agent_pb2
from tests.device_agent.exported import Agent, Caller, Exported, agents, runtime_of, status
from tests.device_agent.hostile_onnx import external, heavy, tiled
from tests.device_agent.uncaged import uncaged_agent

READABLE = Path("/etc/hostname")
GIB = 1 << 30
MEMORY_BYTES = GIB
# Digest of the small file, byte and bit, found by flipping bits in a seeded order: each takes gigabytes where nothing
# limits it. Another version of a converter writes other bytes.
BOMBS = {
    "pad.tflite": ("e137c30a15b6", 919, 0),
    "net.pte": ("14520b9f5dae", 732, 2),
    "net.ptl": ("3fe32fc3b44a", 4120, 4),
    "tile.onnx": ("19f77de9cb09", 113, 3),
}
# Bytes on either side that are tried where the file is another one.
NEAR = 400
# How the runtimes say that they got no memory; LiteRT's delegate gives no reason.
NO_MEMORY = ("memory", "XNNPack delegate failed to reshape")
SECONDS_MAX = 30.0
FOUR = np.zeros((2, 4), np.float32)
ROUNDS = 12


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outside") / "written"


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory, written: Path) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    maker = [sys.executable, str(Path(__file__).with_name("make_hostile.py"))]
    done = subprocess.run(
        [*maker, str(folder), str(READABLE), str(written)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (folder / "tile.onnx").write_bytes(tiled())
    return folder


@pytest.fixture(scope="module")
def caged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    store = tmp_path_factory.mktemp("caged") / "store"
    with agents() as start:
        yield start("--require-sandbox", "--worker-memory-bytes", str(MEMORY_BYTES), "--store", str(store))


def refusal(act: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as error:
        act()
    return status(error)


def run(caller: Caller, path: Path, images: np.ndarray) -> list[np.ndarray]:
    digest = caller.upload(path)
    (answer,) = caller.invoke([digest], [{"args_0": images}])
    return [np.frombuffer(output.data, np.float32) for output in answer.answers[0].outputs]


def test_a_script_in_a_model_reads_no_file(caged: Agent, hostile: Path) -> None:
    code, message = refusal(lambda: run(caged, hostile / "reader.ptl", FOUR))
    print(f"\nreader.ptl: {code}: {message}")
    assert (code, "Permission denied" in message) == ("INVALID_ARGUMENT", True)


def test_a_script_in_a_model_writes_no_file(caged: Agent, hostile: Path, written: Path) -> None:
    written.unlink(missing_ok=True)
    code, message = refusal(lambda: run(caged, hostile / "mapper.ptl", FOUR))
    print(f"\nmapper.ptl: {code}: {message}")
    assert (code, "Permission denied" in message) == ("INVALID_ARGUMENT", True)
    # torch's function does not look whether the file could be opened: the answer comes, the file does not.
    (answer,) = run(caged, hostile / "saver.ptl", FOUR)
    np.testing.assert_array_equal(answer.reshape(FOUR.shape), FOUR)
    assert not written.exists()


def test_the_same_scripts_reach_files_without_a_cage(hostile: Path, written: Path) -> None:
    written.unlink(missing_ok=True)
    with uncaged_agent() as caller:
        (answer,) = run(caller, hostile / "reader.ptl", FOUR)
        assert set(answer) == {float(READABLE.read_bytes()[0])}
        for name in ("mapper", "saver"):
            run(caller, hostile / f"{name}.ptl", FOUR)
            assert written.exists()
            written.unlink()


@pytest.mark.parametrize("name", BOMBS)
def test_one_flipped_bit_takes_no_gigabytes(
    start_agent: Callable[..., Agent], exported: Exported, hostile: Path, tmp_path: Path, name: str
) -> None:
    agent = start_agent("--require-sandbox", "--worker-memory-bytes", str(MEMORY_BYTES))
    original = (exported.folder if name.startswith("net.") else hostile) / name
    digest, byte, bit = BOMBS[name]
    content = original.read_bytes()
    images = FOUR if name == "tile.onnx" else exported.images[:2]
    run(agent, original, images)
    # Another version of a converter, or another place of the checkout, writes the same byte elsewhere.
    known = hashlib.sha256(content).hexdigest().startswith(digest)
    near = range(max(0, byte - NEAR), min(len(content), byte + NEAR))
    for place in [byte] if known else sorted(near, key=lambda place: abs(place - byte)):
        data = bytearray(content)
        data[place] ^= 1 << bit
        bomb = tmp_path / name
        bomb.write_bytes(data)
        start = time.monotonic()
        try:
            run(agent, bomb, images)
        except grpc.RpcError as error:
            code, message = error.code().name, error.details() or ""
        else:
            code, message = "OK", ""
        seconds = time.monotonic() - start
        if any(words in message for words in NO_MEMORY):
            byte = place
            break
    else:
        pytest.skip(f"no flipped bit near byte {byte} of this {name} asks for gigabytes")
    print(f"\n{name} byte {byte} bit {bit}: {code}: {message} after {seconds:.2f} s")
    assert code in ("RESOURCE_EXHAUSTED", "INVALID_ARGUMENT")
    assert any(words in message for words in NO_MEMORY)
    assert seconds < SECONDS_MAX, "far below the time that a batch may take"
    assert peak_bytes(agent) < MEMORY_BYTES + 512 * 2**20
    (answer,) = run(agent, exported.path("net.tflite"), exported.images[:2])
    np.testing.assert_allclose(answer.reshape(2, 10), exported.logits[:2], atol=1e-5)


def workers(agent: Agent) -> list[psutil.Process]:
    return list(psutil.Process(agent.process.pid).children())


def peak_bytes(agent: Agent) -> int:
    """The largest memory that a worker has had resident, shared libraries with it."""
    peaks = [
        int(line.split()[1]) * 1024
        for worker in workers(agent)
        for line in Path(f"/proc/{worker.pid}/status").read_text().splitlines()
        if line.startswith("VmHWM")
    ]
    return max(peaks)


@pytest.mark.parametrize("location", ["../{folder}/{name}", "{path}", "../../{outside}", "/etc/passwd"])
def test_weights_in_another_clients_file_are_refused(
    caged: Agent, exported: Exported, tmp_path: Path, location: str
) -> None:
    """Even where the attacker knows the other file's name and folder."""
    victim = caged.upload(exported.path("net.tflite"))
    folder = Path(str(caged.process.args[-1]))  # type: ignore[index]
    (path,) = (path for path in folder.rglob("*") if path.is_file() and victim in str(path))
    if path.parent == folder and "{folder}" in location:
        pytest.skip("artifacts share one folder, so that this location is the model's own")
    outside = tmp_path / "outside"
    outside.write_bytes(bytes(64))
    location = location.format(folder=path.parent.name, name=path.name, path=path, outside=outside.name)
    model = tmp_path / "external.onnx"
    model.write_bytes(external(location))
    code, message = refusal(lambda: run(caged, model, FOUR))
    print(f"\n{code}: {message}")
    assert code == "INVALID_ARGUMENT"


def test_deleted_models_leave_memory(agent: Agent, tmp_path: Path) -> None:
    resident = []
    for seed in range(ROUNDS):
        path = tmp_path / "heavy.onnx"
        path.write_bytes(heavy(seed))
        digest = upload_in_chunks(agent, path)
        agent.invoke([digest], [{"x": FOUR}])
        agent.stub.DeleteArtifact(agent_pb2.DeleteArtifactRequest(sha256=digest), timeout=60)
        resident.append(max(worker.memory_info().rss for worker in workers(agent)))
    # One model takes 16 MB; kept, the last six would add 96.
    assert resident[-1] - resident[ROUNDS // 2] < 40e6, resident


def upload_in_chunks(caller: Caller, path: Path) -> str:
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    begin = agent_pb2.UploadHeader(sha256=digest, size_bytes=len(data), runtime=runtime_of(path).wire)
    chunks = [data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES)]
    parts = [agent_pb2.UploadArtifactRequest(header=begin), *(agent_pb2.UploadArtifactRequest(chunk=c) for c in chunks)]
    caller.stub.UploadArtifact(iter(parts), timeout=60)
    return digest
