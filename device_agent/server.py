"""The gRPC service, thin: it checks what came, delegates to the store and the worker, and names failures by status."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from device_agent import bench, board, telemetry
from device_agent.blobs import Blob, BlobStore
from device_agent.calls import THREADS, Calls
from device_agent.errors import AgentError, WorkerDiedError
from device_agent.incoming import Budget, Incoming
from device_agent.lease import Leases
from device_agent.requests import named, request_header, unload
from device_agent.runtimes import check_magic, providers
from device_agent.security import OPEN, Door
from device_agent.stream import InvokeStream
from device_agent.supervisor import Supervisor
from protos import LEASE_METADATA, MAX_MESSAGE_BYTES, PROTOCOL_VERSION
from protos.chunks import UploadPart, read_part
from protos.edgeleak.v1 import agent_pb2
from protos.runtimes import RUNTIMES, by_number
from protos.wire import DamagedError, opened

__all__ = ["IDLE_SECONDS", "AgentService", "agent_version", "start"]

_SERVICE = agent_pb2.DESCRIPTOR.services_by_name["AgentService"].full_name
# Calls that gRPC itself lets in, refused ones included: far more than have a place, see `device_agent.calls`.
_CALLS_MAX = 256
# Records in memory, of all streams together. One stream holds what its host has on its way: four batches.
_BATCH_BYTES = 128 * 1024**2
# What may come of one stream before it is asked for.
_WINDOW_BYTES = 4 * 1024**2
# A host that is silent for so long has stopped or is gone; one that merely was slow opens its stream again.
IDLE_SECONDS = 120.0
# How long the answer to a removal waits until the model is out of memory, too.
_REMOVAL_SECONDS = 2.0

_log = logging.getLogger("edgeleak.agent")


class AgentService:
    """Answers the calls of `edgeleak.v1.AgentService`.

    Args:
        store: where artifacts lie.
        worker: what runs them.
        idle_seconds: longest that no batch may come of a stream.
    """

    def __init__(self, store: BlobStore, worker: Supervisor, *, idle_seconds: float) -> None:
        self._store = store
        self._worker = worker
        self._idle_seconds = idle_seconds
        self._leases = Leases()
        self._budget = Budget(_BATCH_BYTES)
        worker.defer_spare_while(lambda: self._leases.present() is not None)

    def GetDeviceInfo(  # noqa: N802
        self,
        request: agent_pb2.GetDeviceInfoRequest,  # noqa: ARG002
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> agent_pb2.GetDeviceInfoResponse:
        """Say what this device is."""
        system = platform.uname()
        return agent_pb2.GetDeviceInfoResponse(
            protocol_version=PROTOCOL_VERSION,
            agent_version=agent_version(),
            pid=os.getpid(),
            hostname=system.node,
            operating_system=f"{system.system} {system.release}",
            machine=system.machine,
            cpu_model=board.cpu_model(),
            cpu_count=telemetry.cores(),
            memory_total_bytes=telemetry.memory_total_bytes(),
            runtimes=[_runtime_info(name, provider) for name, provider in providers().items()],
            emulated=board.emulated(),
            telemetry=telemetry.read(self._worker.pid, ask=True),
            max_message_bytes=MAX_MESSAGE_BYTES,
            max_store_bytes=self._store.max_bytes,
            sandbox=self._sandbox(),
            max_threads=telemetry.cores(),
            lease=self._lease(),
            board=board.board(),
        )

    def _sandbox(self) -> agent_pb2.Sandbox:
        confined = self._worker.confined()
        return agent_pb2.Sandbox(
            no_new_privileges=confined.no_new_privileges,
            landlock_abi=confined.landlock_abi,
            system_calls_filtered=confined.system_calls_filtered,
            memory_limit_bytes=confined.memory_limit_bytes,
            missing=confined.missing,
        )

    def _lease(self) -> agent_pb2.Lease | None:
        held = self._leases.present()
        return None if held is None else agent_pb2.Lease(holder=held[0], remaining_ns=int(held[1] * 1e9))

    def QueryArtifact(  # noqa: N802
        self,
        request: agent_pb2.QueryArtifactRequest,
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> agent_pb2.QueryArtifactResponse:
        """How much of an artifact is held."""
        held, complete = self._store.held(request.sha256)
        return agent_pb2.QueryArtifactResponse(held_bytes=held, complete=complete)

    def UploadArtifact(  # noqa: N802
        self, request_iterator: Iterator[UploadPart], context: grpc.ServicerContext
    ) -> agent_pb2.UploadArtifactResponse:
        """Store one file, then have the worker load it: a file that cannot run is refused now, not in mid-audit."""
        with self._leases.using(_lease_of(context)):
            return self._upload(request_iterator, context)

    def _upload(
        self, request_iterator: Iterator[UploadPart], context: grpc.ServicerContext
    ) -> agent_pb2.UploadArtifactResponse:
        header = next(request_iterator, None)
        if not isinstance(header, agent_pb2.UploadHeader):
            raise AgentError("INVALID_ARGUMENT", "an upload starts with its header")
        runtime = by_number(header.runtime)
        if runtime is None:
            raise AgentError("INVALID_ARGUMENT", f"runtime {header.runtime} is none that this agent knows")
        if runtime.name not in providers():
            hint = f'install "edgeleak[{runtime.agent_extra}]" where the agent runs'
            raise AgentError("FAILED_PRECONDITION", f"this agent has no {runtime.name}; {hint}")
        size_bytes, listed = self._store.held(header.sha256)
        if not listed:
            blob = self._store.receive(
                header.sha256,
                runtime=runtime.name,
                size_bytes=header.size_bytes,
                offset_bytes=header.offset_bytes,
                chunks=_chunks(request_iterator),
            )
            self._verify(blob, context)
            size_bytes = blob.size_bytes
        return agent_pb2.UploadArtifactResponse(sha256=header.sha256, size_bytes=size_bytes)

    def ListArtifacts(  # noqa: N802
        self,
        request: agent_pb2.ListArtifactsRequest,  # noqa: ARG002
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> agent_pb2.ListArtifactsResponse:
        """The complete artifacts."""
        return agent_pb2.ListArtifactsResponse(
            artifacts=[
                agent_pb2.StoredArtifact(sha256=b.sha256, size_bytes=b.size_bytes, runtime=RUNTIMES[b.runtime].wire)
                for b in self._store.list()
            ]
        )

    def DeleteArtifact(  # noqa: N802
        self, request: agent_pb2.DeleteArtifactRequest, context: grpc.ServicerContext
    ) -> agent_pb2.DeleteArtifactResponse:
        """Remove one artifact and unload it."""
        with self._leases.using(_lease_of(context)):
            deleted = self._store.delete(request.sha256)
            if deleted:
                header = unload(request.sha256)
                ticket = self._worker.submit(header, what=f"the removal of {request.sha256[:12]}")
                # Not for long: a removal that stands behind somebody's slow batch is done all the same, and so it is
                # where the worker died.
                with contextlib.suppress(AgentError):
                    self._worker.wait(ticket, _REMOVAL_SECONDS)
        return agent_pb2.DeleteArtifactResponse(deleted=deleted)

    def DescribeArtifact(  # noqa: N802
        self, request: agent_pb2.DescribeArtifactRequest, context: grpc.ServicerContext
    ) -> agent_pb2.DescribeArtifactResponse:
        """What an artifact takes and answers."""
        blob = self._store.require(request.sha256)
        header = request_header("describe", [blob], threads=request.threads)
        with self._leases.using(_lease_of(context)):
            reply = self._worker.call(header, what=named([blob]), wanted=context.is_active)
        try:
            return agent_pb2.DescribeArtifactResponse.FromString(reply)
        except DecodeError as error:
            raise AgentError("INTERNAL", "the worker answered what is no description") from error

    def AcquireLease(  # noqa: N802
        self,
        request: agent_pb2.AcquireLeaseRequest,
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> agent_pb2.AcquireLeaseResponse:
        """Reserve the device for one session."""
        seconds = self._leases.acquire(request.lease_id, holder=request.holder, seconds=request.duration_ns / 1e9)
        return agent_pb2.AcquireLeaseResponse(remaining_ns=int(seconds * 1e9))

    def ReleaseLease(  # noqa: N802
        self,
        request: agent_pb2.ReleaseLeaseRequest,
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> agent_pb2.ReleaseLeaseResponse:
        """End a lease."""
        return agent_pb2.ReleaseLeaseResponse(released=self._leases.release(request.lease_id))

    def Invoke(  # noqa: N802
        self, request_iterator: Iterator[bytes], context: grpc.ServicerContext
    ) -> Iterator[bytes]:
        """Feed every batch to every named artifact; a batch lives only as long as its answer takes.

        Batches and answers pass through unparsed: they are the worker's to read, and parsing would copy them.
        """
        with Incoming(request_iterator, self._budget) as incoming:
            first = _parsed_header(incoming.get(self._idle_seconds))
            blobs = [self._store.require(sha256) for sha256 in first.sha256s]
            header = request_header("load", blobs, threads=first.threads)
            lease_id = _lease_of(context)
            self._leases.require(lease_id)
            stream = InvokeStream(self._worker, self._leases, lease_id=lease_id, wanted=context.is_active)
            yield from stream.answers(header, named(blobs), incoming, idle_seconds=self._idle_seconds)
            self._worker.expect(blobs)

    def Benchmark(  # noqa: N802
        self, request: agent_pb2.BenchmarkRequest, context: grpc.ServicerContext
    ) -> Iterator[agent_pb2.BenchmarkResponse]:
        """Time one artifact on generated input."""
        self._leases.require(_lease_of(context))
        blob = self._store.require(request.sha256)
        bench.check(request)
        yield from bench.answers(request, blob, self._worker, context)

    def _verify(self, blob: Blob, context: grpc.ServicerContext) -> None:
        """List what can be loaded; refuse what is not of its runtime or cannot be, and keep nothing of it."""
        try:
            check_magic(blob.path, runtime=blob.runtime)
            self._worker.call(request_header("load", [blob], threads=0), what=named([blob]), wanted=context.is_active)
            self._store.publish(blob)
        except BaseException as error:
            if isinstance(error, AgentError) and error.code == "CANCELLED":
                self._store.postpone(blob)
                raise
            self._store.discard(blob)
            if isinstance(error, WorkerDiedError) and error.crashed:
                # The loader crashed on it: to the caller, that is a malformed file.
                raise AgentError("INVALID_ARGUMENT", f"the file cannot be loaded: {error.message}") from error
            raise


def agent_version() -> str:
    """Version of the installed distribution; ``unknown`` where the agent runs from a bare folder."""
    try:
        return version("edgeleak")
    except PackageNotFoundError:
        return "unknown"


def start(
    store: BlobStore, worker: Supervisor, *, address: str, door: Door = OPEN, idle_seconds: float = IDLE_SECONDS
) -> tuple[grpc.Server, int]:
    """Serve on an address; returns the server and the port it got.

    Args:
        store: where artifacts lie.
        worker: what runs them.
        address: ``HOST:PORT``, port 0 picks one; or ``unix:PATH``.
        door: who may call.
        idle_seconds: longest that a stream may neither send nor read.

    Raises:
        RuntimeError: the address cannot be bound.
    """
    server = grpc.server(
        ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="call"),
        maximum_concurrent_rpcs=_CALLS_MAX,
        interceptors=[*door.interceptors, Calls(idle_seconds=idle_seconds)],
        options=[
            # Two agents on one port would share its connections silently.
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            # gRPC would widen its windows to what a slow reader's delay suggests: with eight streams on a busy machine
            # it took 2.2 GiB of records that nobody had asked for.
            ("grpc.http2.bdp_probe", 0),
            ("grpc.http2.lookahead_bytes", _WINDOW_BYTES),
            # A connection that never shakes hands is no call, and has no place to lose.
            ("grpc.server_handshake_timeout_ms", 10_000),
            # Hosts ping, because a hung agent does not echo and one with a slow model does; the default answers GOAWAY.
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 1000),
            ("grpc.http2.max_ping_strikes", 0),
        ],
    )
    server.add_generic_rpc_handlers((_handlers(AgentService(store, worker, idle_seconds=idle_seconds)),))
    checks = health.HealthServicer()
    for name in ("", _SERVICE):
        checks.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    if door.reflection:
        _add_reflection(server)
    if door.credentials is None:
        port = server.add_insecure_port(address)
    else:
        port = server.add_secure_port(address, door.credentials)
    server.start()
    return server, port


def _runtime_info(name: str, provider: str) -> agent_pb2.RuntimeInfo:
    row = RUNTIMES[name]
    return agent_pb2.RuntimeInfo(runtime=row.wire, provider=provider, delegates=row.delegates)


def _add_reflection(server: grpc.Server) -> None:
    try:
        from grpc_reflection.v1alpha import reflection
    except ImportError:
        _log.info("no reflection: grpcio-reflection is not installed")
    else:
        reflection.enable_server_reflection((_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)


def _handlers(service: AgentService) -> grpc.GenericRpcHandler[Any, Any]:
    """The service's methods as gRPC wants them; by hand, because the generated table would parse the batches."""
    kinds = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    table = {}
    for method in agent_pb2.DESCRIPTOR.services_by_name["AgentService"].methods:
        make = kinds[method.client_streaming, method.server_streaming]
        behavior = getattr(service, method.name)
        if method.name == "Invoke":
            table[method.name] = make(behavior)
        else:
            request = getattr(agent_pb2, method.input_type.name)
            response = getattr(agent_pb2, method.output_type.name)
            parse = read_part if method.name == "UploadArtifact" else request.FromString
            table[method.name] = make(
                behavior, request_deserializer=parse, response_serializer=response.SerializeToString
            )
    return grpc.method_handlers_generic_handler(_SERVICE, table)


def _chunks(parts: Iterable[UploadPart]) -> Iterator[memoryview]:
    for part in parts:
        if not isinstance(part, memoryview):
            raise AgentError("INVALID_ARGUMENT", "after an upload's header come chunks")
        yield part


def _parsed_header(data: bytes | None) -> agent_pb2.InvokeHeader:
    if data is None:
        raise AgentError("DEADLINE_EXCEEDED", "no header came in time; a stream of batches starts with one")
    try:
        request = agent_pb2.InvokeRequest.FromString(bytes(opened(data)))
    except DamagedError as error:
        raise AgentError("DATA_LOSS", str(error)) from error
    except DecodeError as error:
        raise AgentError("INVALID_ARGUMENT", "the header is malformed") from error
    if not request.header.sha256s or request.batches:
        raise AgentError("INVALID_ARGUMENT", "a stream of batches starts with a header that names its artifacts")
    return request.header


def _lease_of(context: grpc.ServicerContext) -> str:
    """The lease that a call carries; empty where it carries none."""
    metadata = context.invocation_metadata() or ()
    return next((str(value) for key, value in metadata if key == LEASE_METADATA), "")
