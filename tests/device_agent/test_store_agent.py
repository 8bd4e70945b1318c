"""The store behind its agent: verdicts before lists, many hosts at once, folders that are refused or left behind."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import psutil
import pytest

from protos.edgeleak.v1 import agent_pb2
from tests.device_agent.exported import Agent, Exported, WatchedAgent, run_agent, status

# A host that starts an agent of its own, says that it runs, and waits to be killed.
HOST = """
import os, sys
from harness.devices import Timeouts, open_device
with open_device("local", timeouts=Timeouts(connect=60)) as device:
    print(device.info().pid, flush=True)
    sys.stdin.read()
"""


def listed(agent: Agent | WatchedAgent) -> list[str]:
    answer = agent.stub.ListArtifacts(agent_pb2.ListArtifactsRequest(), timeout=10)
    return [artifact.sha256 for artifact in answer.artifacts]


def held(agent: Agent | WatchedAgent, digest: str) -> tuple[int, bool]:
    answer = agent.stub.QueryArtifact(agent_pb2.QueryArtifactRequest(sha256=digest), timeout=10)
    return answer.held_bytes, answer.complete


def test_a_second_host_hears_nothing_of_a_file_before_its_verdict(
    watched_agent: WatchedAgent, exported: Exported
) -> None:
    path = exported.path("net.tflite")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    seen: list[object] = []

    def second_host(worker: int) -> None:
        try:
            seen.extend([listed(watched_agent), held(watched_agent, digest)[1]])
            with pytest.raises(grpc.RpcError) as error:
                watched_agent.upload(path)
            seen.append(status(error))
        finally:
            os.kill(worker, signal.SIGCONT)

    with watched_agent.supervisor.worker_under_request(second_host):
        assert watched_agent.upload(path) == digest
    assert seen == [
        [],
        False,
        ("ABORTED", f"artifact {digest[:12]} is being uploaded by someone else; try again"),
    ]
    assert listed(watched_agent) == [digest]


def test_a_file_whose_uploader_left_before_the_verdict_is_not_sent_again(
    watched_agent: WatchedAgent, exported: Exported
) -> None:
    path = exported.path("net.tflite")
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    header = agent_pb2.UploadHeader(sha256=digest, size_bytes=len(data), runtime=agent_pb2.RUNTIME_LITERT)
    parts = [agent_pb2.UploadArtifactRequest(header=header), agent_pb2.UploadArtifactRequest(chunk=data)]
    worker = watched_agent.supervisor.pid
    os.kill(worker, signal.SIGSTOP)
    with pytest.raises(grpc.RpcError) as error:
        watched_agent.stub.UploadArtifact(iter(parts), timeout=2)
    assert status(error)[0] == "DEADLINE_EXCEEDED"
    # Seconds pass for the agent alone, which gives such a load some time to finish.
    until = time.monotonic() + 60
    while held(watched_agent, digest) != (len(data), False) and time.monotonic() < until:
        watched_agent.supervisor.now += 1.0
        time.sleep(0.1)
    assert listed(watched_agent) == []
    assert watched_agent.upload(path, offset=len(data)) == digest
    assert listed(watched_agent) == [digest]


def test_many_hosts_at_once_meet_no_failure_and_learn_no_path(shared_agent: Agent, exported: Exported) -> None:
    """Uploads, removals, lists and questions of a few digests, in eight threads."""
    model = exported.path("net.tflite").read_bytes()
    # What follows a flatbuffer does not matter to it, but to its digest.
    files = [model + bytes([number]) * 4 for number in range(6)]
    digests = [hashlib.sha256(data).hexdigest() for data in files]
    outcomes: Counter[str] = Counter()
    messages: list[str] = []

    def upload(number: int) -> None:
        size, _ = held(shared_agent, digests[number])
        header = agent_pb2.UploadHeader(
            sha256=digests[number], size_bytes=len(files[number]), runtime=agent_pb2.RUNTIME_LITERT, offset_bytes=size
        )
        parts = [agent_pb2.UploadArtifactRequest(header=header)]
        parts += [agent_pb2.UploadArtifactRequest(chunk=files[number][size:])] if size < len(files[number]) else []
        shared_agent.stub.UploadArtifact(iter(parts), timeout=60)

    def host(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(60):
            number = rng.randrange(len(files))
            act: Callable[[int], object] = rng.choice(
                [
                    upload,
                    upload,
                    lambda n: shared_agent.stub.DeleteArtifact(
                        agent_pb2.DeleteArtifactRequest(sha256=digests[n]), timeout=60
                    ),
                    lambda _: listed(shared_agent),
                    lambda n: held(shared_agent, digests[n]),
                ]
            )
            try:
                act(number)
                outcomes["OK"] += 1
            except grpc.RpcError as error:
                outcomes[error.code().name] += 1
                messages.append(error.details() or "")

    threads = [threading.Thread(target=host, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(outcomes.values()) == 8 * 60
    assert set(outcomes) <= {"OK", "ABORTED", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED", "NOT_FOUND"}, outcomes
    assert outcomes["OK"] > outcomes.total() // 3
    assert not [message for message in messages if "/" in message]


def test_a_kept_store_lists_what_was_loaded_and_no_more(
    start_agent: Callable[..., Agent], exported: Exported, tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    first = start_agent("--store", str(folder))
    names = ("net.tflite", "baked.tflite")
    good, other = (first.upload(exported.path(name)) for name in names)
    first.process.kill()
    first.process.wait(20)
    # As a kill between the last byte and the verdict leaves it.
    (path,) = folder.glob(f"complete/*/{other}.tflite")
    assert path.stat().st_mode & stat.S_IWUSR == 0
    path.chmod(0o600)
    second = start_agent("--store", str(folder))
    assert listed(second) == [good]
    size = exported.path("baked.tflite").stat().st_size
    assert held(second, other) == (size, False)
    assert second.upload(exported.path("baked.tflite"), offset=size) == other


def test_files_of_an_earlier_flat_store_are_loaded_before_they_are_listed(
    start_agent: Callable[..., Agent], exported: Exported, tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    data = exported.path("net.tflite").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    (folder / f"{digest}.tflite").write_bytes(data)
    (folder / "notes.txt").write_text("the user's own")
    agent = start_agent("--store", str(folder))
    assert listed(agent) == []
    assert held(agent, digest) == (len(data), False)
    assert agent.upload(exported.path("net.tflite"), offset=len(data)) == digest
    assert agent.invoke([digest], [{"args_0": exported.images}])
    assert sorted(path.name for path in folder.iterdir()) == ["complete", "notes.txt", "partial", "store.lock"]


@pytest.mark.parametrize("place", ["partial/{digest}.part", "{digest}.part", "{digest}.tflite"])
def test_a_link_in_the_store_is_never_followed(
    start_agent: Callable[..., Agent], exported: Exported, tmp_path: Path, place: str
) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"the user's own")
    digest = hashlib.sha256(exported.path("net.tflite").read_bytes()).hexdigest()
    link = tmp_path / "store" / place.format(digest=digest)
    link.parent.mkdir(mode=0o700, parents=True)
    link.parent.chmod(0o700)
    link.parent.parent.chmod(0o700)
    link.symlink_to(target)
    agent = start_agent("--store", str(tmp_path / "store"))
    assert held(agent, digest) == (0, False)
    agent.upload(exported.path("net.tflite"))
    assert target.read_bytes() == b"the user's own"
    assert target.stat().st_mode & 0o777 == 0o644 & ~_umask()


def _umask() -> int:
    value = os.umask(0o077)
    os.umask(value)
    return value


def refused_start(folder: Path) -> str:
    process = run_agent("--store", str(folder))
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (3, "")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize("inside", [".", "complete", "partial"])
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777])
def test_a_store_that_others_may_write_to_is_refused(tmp_path: Path, mode: int, inside: str) -> None:
    folder = tmp_path / "store"
    (folder / inside).mkdir(parents=True)
    folder.chmod(0o700)
    (folder / inside).chmod(mode)
    assert "others may write to" in refused_start(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_store_of_another_user_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)
    assert "belongs to another user" in refused_start(folder)


def test_a_store_whose_inner_folder_is_a_link_is_refused(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "store", tmp_path / "elsewhere"
    folder.mkdir(mode=0o700)
    elsewhere.mkdir()
    (folder / "partial").symlink_to(elsewhere)
    assert "is a link or a file, not a folder" in refused_start(folder)


def test_two_agents_never_share_a_store(start_agent: Callable[..., Agent], tmp_path: Path) -> None:
    first = start_agent("--store", str(tmp_path / "store"))
    assert "another agent uses" in refused_start(tmp_path / "store")
    first.process.kill()
    first.process.wait(20)
    start_agent("--store", str(tmp_path / "store"))


@contextlib.contextmanager
def host_with_agent() -> Iterator[tuple[subprocess.Popen[str], psutil.Process]]:
    command = [sys.executable, "-c", HOST]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        agent = psutil.Process(int(host.stdout.readline()))
        try:
            yield host, agent
        finally:
            host.kill()
            with contextlib.suppress(psutil.NoSuchProcess):
                agent.kill()
                agent.wait(20)


def test_the_folder_of_a_killed_host_is_removed_by_the_next_start_once_its_agent_is_gone(
    start_agent: Callable[..., Agent], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with host_with_agent() as (host, agent):
        # Stopped, so that it does not end in order when its host is gone.
        agent.suspend()
        host.kill()
        host.wait(20)
        (folder,) = tmp_path.glob("edgeleak-local-*")
        assert list(folder.glob("edgeleak-agent-*/complete"))
        start_agent()
        assert list(folder.glob("edgeleak-agent-*/complete")), "its agent still lives"
        agent.kill()
        agent.wait(20)
    assert folder.exists()
    start_agent()
    assert not folder.exists()


def test_a_host_that_ends_in_order_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with host_with_agent() as (host, _):
        assert host.stdin is not None
        host.stdin.close()
        assert host.wait(30) == 0
    assert list(tmp_path.glob("edgeleak-*")) == []
