"""A device behind an agent: the only client of the contract."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import Self

import grpc

from harness.devices._descriptions import device_info, signature
from harness.devices._failures import Failures, code_of
from harness.devices._files import VerifiedFiles
from harness.devices._info import DeviceInfo
from harness.devices._invocation import Invocation
from harness.devices._lease import HeldLease, default_holder
from harness.devices._patience import Patience
from harness.devices._stream import Watch
from harness.devices._timings import Timings
from harness.devices._types import BatchAnswer, BenchmarkResult, Signature, Timeouts
from harness.devices._upload import upload
from harness.devices.transports import Connection
from harness.errors import ArtifactError, DeviceError, ProtocolError
from harness.types import Artifact, Records
from protos import LEASE_METADATA, MAX_MESSAGE_BYTES, PROTOCOL_VERSION
from protos.edgeleak.v1 import agent_pb2, agent_pb2_grpc
from protos.runtimes import RUNTIMES, names

__all__ = ["AgentClient"]

# A ping when nothing comes, and how long its echo may take. An agent with a slow model echoes; a hung one does not, nor
# one behind a pulled cable.
_PING_MS = 4_000
_PING_TIMEOUT_MS = 4_000
_INVOKE = "/edgeleak.v1.AgentService/Invoke"
_UPLOAD = "/edgeleak.v1.AgentService/UploadArtifact"
_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # A device is reached directly; the proxy of the user's environment is for the web.
    ("grpc.enable_http_proxy", 0),
    # A forwarded port that is made anew is looked for within two seconds, however long it was away.
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.keepalive_time_ms", _PING_MS),
    ("grpc.keepalive_timeout_ms", _PING_TIMEOUT_MS),
    # The time for the echo has a bound of its own, a minute where it is not set.
    ("grpc.http2.ping_timeout_ms", _PING_TIMEOUT_MS),
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
        # Batches go out as bytes: the generated method would copy them three times. Answers come as bytes for their
        # checksum.
        self._invoke = self._channel.stream_stream(_INVOKE, request_serializer=None, response_deserializer=None)
        self._send = self._channel.stream_unary(
            _UPLOAD,
            request_serializer=None,
            response_deserializer=agent_pb2.UploadArtifactResponse.FromString,
        )
        self._lease_id = ""
        # Uploaded by this session: what lay there before is not ours to remove.
        self._deployed: dict[str, Artifact] = {}
        self._files = VerifiedFiles()
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
            return self._patience().call(lambda: self._info(self._timeouts.connect))
        except grpc.RpcError as error:
            raise self._failures.of_call(error, "asking for its description") from error

    def deploy(self, artifact: Artifact) -> None:
        """Put an artifact on the device, or find it there; see `Device.deploy`."""
        if artifact.runtime not in RUNTIMES:
            raise ArtifactError(f"{artifact.path}: runtime {artifact.runtime!r} is none of {names()}")
        if upload(
            self._stub,
            self._send,
            artifact,
            files=self._files,
            failures=self._failures,
            patience=self._patience(),
            seconds=self._timeouts.upload,
            metadata=self._metadata(),
        ):
            self._deployed[artifact.sha256] = artifact

    def describe(self, artifact: Artifact, *, threads: int = 1) -> Signature:
        """What a deployed artifact takes and answers; see `Device.describe`."""
        request = agent_pb2.DescribeArtifactRequest(sha256=artifact.sha256, threads=threads)
        doing = f"description of {artifact.key}"
        try:
            ask = partial(
                self._stub.DescribeArtifact, request, timeout=self._timeouts.upload, metadata=self._metadata()
            )
            return signature(self._patience().call(ask))
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
        stream = Invocation(
            open=lambda messages: self._invoke(messages, timeout=self._timeouts.invoke, metadata=self._metadata()),
            watch=self._watch,
            reopen=self._reopen,
            failures=self._failures,
            patience=self._patience(),
            artifacts=artifacts,
            batches=batches,
            threads=threads,
        )
        yield from stream.answers()

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
        profile: bool = False,
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
            profile=profile,
        )
        call = self._stub.Benchmark(request, timeout=self._timeouts.invoke, metadata=self._metadata())
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

    @contextlib.contextmanager
    def lease(self, *, seconds: float = 60.0, holder: str | None = None) -> Iterator[None]:
        """Hold the device; see `Device.lease`."""
        if self._lease_id:
            # Of this session already: the outer block gives it back.
            yield
            return
        self._lease_id = secrets.token_hex(16)
        try:
            held = self._patience().call(
                lambda: HeldLease(
                    self._stub,
                    lease_id=self._lease_id,
                    holder=holder or default_holder(),
                    seconds=seconds,
                    timeout=self._timeouts.connect,
                )
            )
        except grpc.RpcError as error:
            self._lease_id = ""
            raise self._failures.of_call(error, "asking for a lease") from error
        try:
            yield
        finally:
            self._lease_id = ""
            held.end()

    def purge(self, artifacts: Sequence[Artifact]) -> None:
        """Remove artifacts from the device; see `Device.purge`."""
        self._purge(artifacts, seconds=self._timeouts.upload, patience=self._patience())

    def _purge(self, artifacts: Sequence[Artifact], *, seconds: float, patience: Patience | None) -> None:
        for artifact in artifacts:
            request = agent_pb2.DeleteArtifactRequest(sha256=artifact.sha256)
            remove = partial(self._stub.DeleteArtifact, request, timeout=seconds, metadata=self._metadata())
            try:
                if patience is None:
                    remove()
                else:
                    patience.call(remove)
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
                self._purge(list(self._deployed.values()), seconds=self._timeouts.connect, patience=None)
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

    def _patience(self) -> Patience:
        return Patience(self._failures, self._timeouts)

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return ((LEASE_METADATA, self._lease_id),) if self._lease_id else ()

    def _reopen(self, artifacts: Sequence[Artifact]) -> None:
        """Make sure that the agent answers again and holds the artifacts: it may have been started anew."""
        # A stopped agent still accepts connections, and says nothing: it has no more time than a broken one.
        seconds = min(self._timeouts.connect, self._timeouts.reconnect)
        self._info(seconds)
        for artifact in artifacts:
            held = self._stub.QueryArtifact(agent_pb2.QueryArtifactRequest(sha256=artifact.sha256), timeout=seconds)
            if not held.complete:
                self.deploy(artifact)

    def _connect(self, target: str) -> None:
        try:
            self._info(self._timeouts.connect)
        except grpc.RpcError as error:
            raise self._failures.of_first_call(error, target, seconds=self._timeouts.connect) from error

    def _info(self, seconds: float) -> DeviceInfo:
        response = self._stub.GetDeviceInfo(agent_pb2.GetDeviceInfoRequest(), timeout=seconds)
        if response.protocol_version != PROTOCOL_VERSION:
            older = "the agent" if response.protocol_version < PROTOCOL_VERSION else "this host"
            raise ProtocolError(
                f"the agent speaks protocol version {response.protocol_version}, this host {PROTOCOL_VERSION}",
                device=self._url,
                hint=f"upgrade edgeleak on {older}",
            )
        return device_info(response, url=self._url)
