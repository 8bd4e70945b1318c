"""Small exported models and running agents, shared by the tests of the agent and of the host's device room."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from device_agent.blobs import BlobStore
from device_agent.server import IDLE_SECONDS, start
from device_agent.supervisor import Supervisor, Ticket
from harness.types import Artifact, Records, TensorSpec
from protos import MAX_MESSAGE_BYTES
from protos.edgeleak.v1 import agent_pb2, agent_pb2_grpc
from protos.runtimes import RUNTIMES, Runtime, by_suffix
from protos.tensors import fill_tensor

# Of one request to a watched agent's worker, by a clock that stands still unless the test moves it.
LIMIT_SECONDS = 60.0
IMAGE = (TensorSpec("args_0", "float32", (1, 8, 8)),)
TEXT = (TensorSpec("args_0", "int64", (6,)), TensorSpec("args_1", "int64", (6,)))


@dataclass(frozen=True)
class Exported:
    """A folder of models, the inputs to feed them and torch's answers to these."""

    folder: Path
    images: NDArray[np.float32]
    logits: NDArray[np.float32]
    ids: NDArray[np.int64]
    mask: NDArray[np.int64]
    text_logits: NDArray[np.float32]

    def path(self, name: str) -> Path:
        return self.folder / name

    def artifact(self, name: str) -> Artifact:
        path = self.path(name)
        text = path.stem == "text"
        data = path.read_bytes()
        return Artifact(
            model="target",
            variant=path.stem,
            runtime=runtime_of(path).name,
            path=path,
            sha256=hashlib.sha256(data).hexdigest(),
            size_bytes=len(data),
            inputs=TEXT if text else IMAGE,
            output=TensorSpec("output_0", "float32", (3,) if text else (10,)),
            output_kind="confidences" if path.stem == "confident" else "logits",
        )

    def records(self, n: int = 64) -> Records:
        rows = np.arange(n) % len(self.images)
        return Records({"args_0": self.images[rows]}, np.zeros(n, dtype=np.int64), np.arange(n))

    def text_records(self, n: int = 64) -> Records:
        inputs = {"args_0": self.ids[:n], "args_1": self.mask[:n]}
        return Records(inputs, np.zeros(n, dtype=np.int64), np.arange(n))


def runtime_of(path: Path) -> Runtime:
    row = by_suffix(path.suffix)
    assert row is not None
    return row


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.getbasetemp() / "exported"
    if not folder.exists():
        folder.mkdir()
        maker = Path(__file__).with_name("make_models.py")
        done = subprocess.run([sys.executable, str(maker), str(folder)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
    with np.load(folder / "expected.npz") as expected:
        return Exported(folder, **{name: expected[name] for name in expected.files})


class Caller:
    """Calls an agent as the contract has it, with no client between.

    Args:
        target: ``host:port`` of the agent.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        options = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES), ("grpc.enable_http_proxy", 0)]
        self.channel = grpc.insecure_channel(target, options=options)
        self.stub = agent_pb2_grpc.AgentServiceStub(self.channel)  # type: ignore[no-untyped-call]

    @property
    def url(self) -> str:
        return f"grpc://{self.target}"

    def upload(self, path: Path, *, sha256: str | None = None, runtime: str | None = None, offset: int = 0) -> str:
        data = path.read_bytes()
        row = RUNTIMES[runtime] if runtime else runtime_of(path)
        digest = sha256 or hashlib.sha256(data).hexdigest()
        header = agent_pb2.UploadHeader(
            sha256=digest,
            size_bytes=len(data),
            runtime=row.wire,
            offset_bytes=offset,
        )
        parts = [agent_pb2.UploadArtifactRequest(header=header)]
        parts.append(agent_pb2.UploadArtifactRequest(chunk=data[offset:]))
        self.stub.UploadArtifact(iter(parts), timeout=60)
        return digest

    def invoke(
        self, digests: list[str], batches: Sequence[Mapping[str, NDArray[np.generic]]]
    ) -> list[agent_pb2.BatchAnswer]:
        requests = iter([header(digests), *map(batch, range(len(batches)), batches)])
        return answered(self.stub.Invoke(requests, timeout=60))


class Agent(Caller):
    """A running `edgeleak-agent`.

    Args:
        process: the agent.
        target: where it listens.
    """

    def __init__(self, process: subprocess.Popen[str], target: str) -> None:
        super().__init__(target)
        self.process = process

    def worker(self) -> psutil.Process:
        # A spare one is always younger.
        return min(psutil.Process(self.process.pid).children(), key=lambda child: child.create_time())


class WatchedSupervisor(Supervisor):
    """A supervisor that reports when it waits for its worker, by a clock that the test moves.

    A worker that a test has stopped never answers, so what the supervisor then waits for stays under way.
    """

    def __init__(self) -> None:
        self.waits = threading.Event()
        self.now = 0.0
        super().__init__(limit_seconds=LIMIT_SECONDS, clock=lambda: self.now)

    def submit(
        self,
        header: bytes,
        payload: bytes = b"",
        *,
        what: str,
        wanted: Callable[[], bool] = lambda: True,
        alone: bool = False,
    ) -> Ticket:
        def asked() -> bool:
            self.waits.set()
            return wanted()

        return super().submit(header, payload, what=what, wanted=asked, alone=alone)

    @contextmanager
    def worker_under_request(self, then: Callable[[int], object]) -> Iterator[int]:
        """Stop the worker; once a request of the block waits for it, a thread calls ``then`` with its process id."""
        worker = self.pid
        os.kill(worker, signal.SIGSTOP)
        self.waits.clear()

        def act() -> None:
            if self.waits.wait(60):
                then(worker)

        acting = threading.Thread(target=act)
        acting.start()
        try:
            yield worker
        finally:
            acting.join()


def ended_by(number: signal.Signals) -> Callable[[int], None]:
    """Ends a stopped process as a crashing kernel, or a full memory, would end it."""

    def end(worker: int) -> None:
        os.kill(worker, number)
        with contextlib.suppress(ProcessLookupError):  # SIGKILL does not wait for it to go on
            os.kill(worker, signal.SIGCONT)

    return end


class WatchedAgent(Caller):
    """An agent in this process, with a worker of its own.

    Args:
        supervisor: of its worker.
        target: where it listens.
    """

    def __init__(self, supervisor: WatchedSupervisor, target: str) -> None:
        super().__init__(target)
        self.supervisor = supervisor


def answered(responses: Iterable[agent_pb2.InvokeResponse]) -> list[agent_pb2.BatchAnswer]:
    return [answer for response in responses for answer in response.batches]


def header(digests: list[str]) -> agent_pb2.InvokeRequest:
    return with_checksum(agent_pb2.InvokeRequest(header=agent_pb2.InvokeHeader(sha256s=digests)))


def batch(number: int, inputs: Mapping[str, NDArray[np.generic]]) -> agent_pb2.InvokeRequest:
    request = agent_pb2.InvokeRequest()
    one = request.batches.add(number=number)
    for name, values in inputs.items():
        fill_tensor(one.inputs.add(), name, values)
    return with_checksum(request)


def with_checksum(request: agent_pb2.InvokeRequest) -> agent_pb2.InvokeRequest:
    request.ClearField("crc32")
    request.crc32 = zlib.crc32(request.SerializeToString())
    return request


def run_agent(*arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    command = [*prefix, sys.executable, "-m", "device_agent.cli", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@contextmanager
def agents() -> Iterator[Callable[..., Agent]]:
    """Starts agents, and ends them with the block whatever state they are left in."""
    started: list[Agent] = []

    def start(*arguments: str, prefix: tuple[str, ...] = ()) -> Agent:
        process = run_agent(*arguments, prefix=prefix)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on "), (line, process.communicate(timeout=10))
        started.append(Agent(process, line.split()[-1]))
        return started[-1]

    try:
        yield start
    finally:
        for agent in started:
            agent.channel.close()
            if agent.process.poll() is None:
                os.kill(agent.process.pid, signal.SIGCONT)
                agent.process.terminate()
            agent.process.communicate(timeout=60)


@pytest.fixture
def start_agent() -> Iterator[Callable[..., Agent]]:
    """Starts agents that end with the test."""
    with agents() as start:
        yield start


@pytest.fixture
def agent(start_agent: Callable[..., Agent]) -> Agent:
    """An agent of the test's own."""
    return start_agent()


@contextmanager
def served(supervisor: Supervisor, folder: Path | None = None, *, idle_seconds: float = IDLE_SECONDS) -> Iterator[str]:
    """An agent in this process; gives its address.

    Args:
        supervisor: of its worker; closed with the block.
        folder: of the store; None makes a private one.
        idle_seconds: of streams.
    """
    store = BlobStore(folder, max_bytes=1 << 30)
    server, port = start(store, supervisor, address="127.0.0.1:0", idle_seconds=idle_seconds)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()
        supervisor.close()
        store.close()


@pytest.fixture
def watched_agent() -> Iterator[WatchedAgent]:
    """An agent in this process, whose worker a test may stop, kill or let hang."""
    supervisor = WatchedSupervisor()
    with served(supervisor) as address:
        agent = WatchedAgent(supervisor, address)
        with agent.channel:
            yield agent


@pytest.fixture(scope="module")
def shared_agent() -> Iterator[Agent]:
    """An agent for all tests of a file: they may kill its worker, not itself. It imports its runtimes once."""
    with agents() as start:
        yield start()


def status(error: pytest.ExceptionInfo[grpc.RpcError]) -> tuple[str, str]:
    return error.value.code().name, error.value.details() or ""
