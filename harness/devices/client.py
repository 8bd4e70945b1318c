"""A device behind an agent: the only client of the contract."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from types import TracebackType
from typing import Self

import grpc

from harness.devices._answers import checked_answer
from harness.devices._descriptions import device_info, signature
from harness.devices._failures import Failures, code_of
from harness.devices._requests import batch_request, header_request
from harness.devices._stream import Sender, Watch
from harness.devices._timings import Timings
from harness.devices._types import BatchAnswer, BenchmarkResult, DeviceInfo, Signature, Timeouts
from harness.devices._upload import upload, verify_file
from harness.devices.transports import Connection
from harness.errors import ArtifactError, DeviceError, ProtocolError
from harness.types import Artifact, Records
from protos import MAX_MESSAGE_BYTES, PROTOCOL_VERSION
from protos.edgeleak.v1 import agent_pb2, agent_pb2_grpc
from protos.runtimes import RUNTIMES, names

__all__ = ["AgentClient"]

# Batches on their way at once: one being built here, one on the wire, one waiting at the agent, one in the kernel.
_WINDOW = 4
# A ping when nothing comes, and how long its echo may take. An agent with a slow model echoes; a hung one does not, nor
# one behind a pulled cable.
_PING_MS = 10_000
_PING_TIMEOUT_MS = 10_000
_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # A device is reached directly; the proxy of the user's environment is for the web.
    ("grpc.enable_http_proxy", 0),
    ("grpc.keepalive_time_ms", _PING_MS),
    ("grpc.keepalive_timeout_ms", _PING_TIMEOUT_MS),
]


class AgentClient:
    """One connected agent.

    Args:
        url: the device as the user named it.
        connection: the way to the agent, which `close` lets go.
        timeouts: how long to wait for what.
        clock: seconds that only grow, for the silence of a stream.

    Raises:
        DeviceUnavailableError: nothing answers.
        ProtocolError: it speaks another version of the contract.
    """

    def __init__(
        self,
        url: str,
        connection: Connection,
        *,
        timeouts: Timeouts,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._connection = connection
        self._timeouts = timeouts
        self._clock = clock
        self._failures = Failures(url, connection)
        self._channel = connection.channel(_OPTIONS)
        self._stub = agent_pb2_grpc.AgentServiceStub(self._channel)  # type: ignore[no-untyped-call]
        # Uploaded by this session: what lay there before is not ours to remove.
        self._deployed: dict[str, Artifact] = {}
        self._closed = False
        try:
            self._connect(connection.target)
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """The device as the user named it."""
        return self._url

    def info(self) -> DeviceInfo:
        """What the device says about itself, now.

        Raises:
            DeviceLostError: it stopped answering.
        """
        try:
            return self._info()
        except grpc.RpcError as error:
            raise self._failures.of_call(error, "asking for its description") from error

    def deploy(self, artifact: Artifact) -> None:
        """Put an artifact on the device, or find it there; see `Device.deploy`."""
        if artifact.runtime not in RUNTIMES:
            raise ArtifactError(f"{artifact.path}: runtime {artifact.runtime!r} is none of {names()}")
        verify_file(artifact)
        if upload(self._stub, artifact, failures=self._failures, seconds=self._timeouts.upload):
            self._deployed[artifact.sha256] = artifact

    def describe(self, artifact: Artifact, *, threads: int = 1) -> Signature:
        """What a deployed artifact takes and answers; see `Device.describe`."""
        request = agent_pb2.DescribeArtifactRequest(sha256=artifact.sha256, threads=threads)
        doing = f"description of {artifact.key}"
        try:
            return signature(self._stub.DescribeArtifact(request, timeout=self._timeouts.upload))
        except grpc.RpcError as error:
            if code_of(error) is grpc.StatusCode.UNIMPLEMENTED:
                message = "the agent cannot describe artifacts: it is older than this host"
                raise ProtocolError(message, device=self._url, hint="upgrade edgeleak on the agent") from error
            raise self._failures.of_call(error, doing) from error
        except ValueError as error:
            raise ProtocolError(
                f"{doing}: the agent says {error}", device=self._url, hint="upgrade the agent"
            ) from error

    def invoke(
        self, artifacts: Sequence[Artifact], batches: Iterable[tuple[int, Records]], *, threads: int = 1
    ) -> Generator[BatchAnswer, None, None]:
        """Feed every numbered batch to every artifact, a few batches ahead of the answers; see `Device.invoke`."""
        sender = Sender()
        sender.send(header_request(artifacts, threads=threads))
        call = self._stub.Invoke(iter(sender), timeout=self._timeouts.invoke)
        under_way: deque[tuple[int, int]] = deque()
        source = iter(batches)
        watch = self._watch(call)
        try:
            with watch:
                while True:
                    while len(under_way) < _WINDOW and (batch := next(source, None)) is not None:
                        under_way.append((batch[0], len(batch[1])))
                        sender.send(batch_request(*batch, artifacts))
                    if not under_way:
                        break
                    number, records = under_way.popleft()
                    response = watch.wait_for(call)
                    if response is None:
                        raise ProtocolError(f"the agent ended the stream before batch {number}", device=self._url)
                    (answer,) = response.batches
                    yield checked_answer(answer, number=number, records=records, artifacts=artifacts, device=self._url)
                sender.end()
                if watch.wait_for(call) is not None:
                    raise ProtocolError("the agent answered a batch that was not sent", device=self._url)
        except grpc.RpcError as error:
            raise self._failures.of_stream(error, watch.verdict, "a stream of batches") from error
        finally:
            sender.end()
            call.cancel()

    def benchmark(
        self,
        artifact: Artifact,
        *,
        warmup: int = 10,
        runs: int = 100,
        batch_size: int = 1,
        threads: int = 1,
        cooldown_s: float = 0.0,
        warmup_s: float = 0.0,
        duration_s: float = 0.0,
        cold: bool = False,
    ) -> BenchmarkResult:
        """Time a deployed artifact on generated input; see `Device.benchmark`."""
        request = agent_pb2.BenchmarkRequest(
            sha256=artifact.sha256,
            warmup_runs=warmup,
            runs=runs,
            batch_size=batch_size,
            threads=threads,
            cooldown_ns=int(cooldown_s * 1e9),
            warmup_ns=int(warmup_s * 1e9),
            duration_ns=int(duration_s * 1e9),
            cold=cold,
        )
        call = self._stub.Benchmark(request, timeout=self._timeouts.invoke)
        watch = self._watch(call, pause_seconds=cooldown_s)
        timings = Timings(request)
        try:
            with watch:
                while (response := watch.wait_for(call)) is not None:
                    timings.add(response)
            return timings.result()
        except grpc.RpcError as error:
            raise self._failures.of_stream(error, watch.verdict, f"benchmark of {artifact.key}") from error
        except ValueError as error:
            raise ProtocolError(f"benchmark of {artifact.key}: {error}", device=self._url) from error
        finally:
            call.cancel()

    def purge(self, artifacts: Sequence[Artifact]) -> None:
        """Remove artifacts from the device; see `Device.purge`."""
        self._purge(artifacts, seconds=self._timeouts.upload)

    def _purge(self, artifacts: Sequence[Artifact], *, seconds: float) -> None:
        for artifact in artifacts:
            request = agent_pb2.DeleteArtifactRequest(sha256=artifact.sha256)
            try:
                self._stub.DeleteArtifact(request, timeout=seconds)
            except grpc.RpcError as error:
                raise self._failures.of_call(error, f"removal of {artifact.key}") from error
            self._deployed.pop(artifact.sha256, None)

    def close(self) -> None:
        """Remove what this session deployed, and let the device go; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._connection.purge_on_close:
                # Not the upload's patience: whoever leaves after Ctrl-C must not wait for a slow model.
                self._purge(list(self._deployed.values()), seconds=self._timeouts.connect)
        except DeviceError:
            # It is gone, and with it its store; the error that matters was raised where it happened.
            self._deployed.clear()
        finally:
            self._channel.close()
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _watch(self, call: grpc.Call, *, pause_seconds: float = 0.0) -> Watch:
        idle_seconds = self._timeouts.idle + pause_seconds
        return Watch(call, idle_seconds=idle_seconds, alive=self._connection.alive, clock=self._clock)

    def _connect(self, target: str) -> None:
        try:
            self._info()
        except grpc.RpcError as error:
            raise self._failures.of_first_call(error, target, seconds=self._timeouts.connect) from error

    def _info(self) -> DeviceInfo:
        response = self._stub.GetDeviceInfo(agent_pb2.GetDeviceInfoRequest(), timeout=self._timeouts.connect)
        if response.protocol_version != PROTOCOL_VERSION:
            older = "the agent" if response.protocol_version < PROTOCOL_VERSION else "this host"
            raise ProtocolError(
                f"the agent speaks protocol version {response.protocol_version}, this host {PROTOCOL_VERSION}",
                device=self._url,
                hint=f"upgrade edgeleak on {older}",
            )
        return device_info(response, url=self._url)
