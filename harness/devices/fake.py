"""An agent without hardware: a function answers in the models' place, for tests of what is built on devices.

The client, the contract and the network are real, so that whatever the client checks of a device is checked in such a
test, too: what is uploaded, how many batches are on their way, and every answer.

::

    def answers(sha256, inputs):
        return np.zeros((len(inputs["args_0"]), 10), np.float32)

    with FakeAgent(answers) as device:
        device.deploy(artifact)
        for answer in device.invoke([artifact], batches):
            ...
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import NoReturn

import grpc
import numpy as np
from numpy.typing import NDArray

from harness.devices import transports
from harness.devices._types import Device, Signature, TensorInfo, Timeouts
from harness.devices.client import AgentClient
from protos import MAX_MESSAGE_BYTES, PROTOCOL_VERSION
from protos.edgeleak.v1 import agent_pb2, agent_pb2_grpc
from protos.runtimes import RUNTIMES, by_number
from protos.tensors import data_type_of, fill_tensor, from_tensor

__all__ = ["FakeAgent"]

# A stream of batches and the calls beside it.
_CALLS_MAX = 4
_KERNEL_NS = 1_000
_STORE_BYTES = 2 * 1024**3
_SAMPLES_MAX = 10_000
# Where an agent ends a benchmark, however long it was to take.
_RUNS_MAX = 1_000_000
_DEFAULT_TIMEOUTS = Timeouts()

Answers = Callable[[str, Mapping[str, NDArray[np.generic]]], NDArray[np.generic]]


class FakeAgent:
    """An agent in this process, on a loopback port; as a context manager it gives a device that is connected to it.

    Args:
        answers: called with an artifact's SHA-256 and the inputs of one batch, name -> ``[b, ...]``, for every artifact
            and batch, in a thread of its own, one call at a time. Returns what the model answers, ``[b, C]``; float64
            becomes float32, and nothing else is changed or checked. What it raises ends the stream as an INTERNAL error
            of the agent.
        signature: what every artifact takes and answers; None where its format does not declare it.
        number_of: the number under which batch n is answered. An agent that keeps the contract answers n as n.
        timeouts: of the client.
    """

    def __init__(
        self,
        answers: Answers,
        *,
        signature: Signature | None = None,
        number_of: Callable[[int], int] = lambda n: n,
        timeouts: Timeouts = _DEFAULT_TIMEOUTS,
    ) -> None:
        self._service = _Service(answers, signature, number_of)
        self._timeouts = timeouts
        self._threads = ThreadPoolExecutor(_CALLS_MAX, thread_name_prefix="fake-agent")
        self._server = grpc.server(
            self._threads,
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ],
        )
        agent_pb2_grpc.add_AgentServiceServicer_to_server(self._service, self._server)  # type: ignore[no-untyped-call]
        self.url = f"grpc://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._device: Device | None = None

    @property
    def held(self) -> frozenset[str]:
        """SHA-256 of the artifacts that it holds."""
        return frozenset(self._service.held)

    def stop(self) -> None:
        """End at once, in the middle of whatever is under way, as an agent does that crashes."""
        self._server.stop(0).wait()
        # A function that is still answering is not waited for: it may never return.
        self._threads.shutdown(wait=False)

    def __enter__(self) -> Device:
        self._server.start()
        try:
            connection = transports.connect(self.url, timeouts=self._timeouts)
            self._device = AgentClient(self.url, connection, timeouts=self._timeouts)
        except BaseException:
            self.stop()
            raise
        return self._device

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._device is not None:
            self._device.close()
        self.stop()


class _Service(agent_pb2_grpc.AgentServiceServicer):
    """Answers the contract's calls, batches with the user's function. The names of its methods are the contract's."""

    # ruff: noqa: N802, ARG002

    def __init__(self, answers: Answers, signature: Signature | None, number_of: Callable[[int], int]) -> None:
        self._answers = answers
        self._signature = signature
        self._number_of = number_of
        self._one_at_a_time = threading.Lock()
        # SHA-256 -> size.
        self.held: dict[str, int] = {}

    def GetDeviceInfo(
        self, request: agent_pb2.GetDeviceInfoRequest, context: grpc.ServicerContext
    ) -> agent_pb2.GetDeviceInfoResponse:
        return agent_pb2.GetDeviceInfoResponse(
            protocol_version=PROTOCOL_VERSION,
            agent_version="fake",
            pid=os.getpid(),
            hostname="fake",
            operating_system="fake",
            machine="fake",
            cpu_model="fake",
            cpu_count=1,
            runtimes=[agent_pb2.RuntimeInfo(runtime=row.wire, provider="fake") for row in RUNTIMES.values()],
            emulated=True,
            telemetry=_telemetry(),
            max_message_bytes=MAX_MESSAGE_BYTES,
            max_store_bytes=_STORE_BYTES,
        )

    def QueryArtifact(
        self, request: agent_pb2.QueryArtifactRequest, context: grpc.ServicerContext
    ) -> agent_pb2.QueryArtifactResponse:
        size = self.held.get(request.sha256)
        return agent_pb2.QueryArtifactResponse(held_bytes=size or 0, complete=size is not None)

    def UploadArtifact(
        self, requests: Iterator[agent_pb2.UploadArtifactRequest], context: grpc.ServicerContext
    ) -> agent_pb2.UploadArtifactResponse:
        header = next(requests).header
        if by_number(header.runtime) is None or header.offset_bytes:
            _abort(context, "INVALID_ARGUMENT", f"runtime {header.runtime} from byte {header.offset_bytes}")
        digest, size = hashlib.sha256(), 0
        for request in requests:
            digest.update(request.chunk)
            size += len(request.chunk)
        if size != header.size_bytes or digest.hexdigest() != header.sha256:
            _abort(context, "DATA_LOSS", f"{size} bytes of another digest came")
        self.held[header.sha256] = size
        return agent_pb2.UploadArtifactResponse(sha256=header.sha256, size_bytes=size)

    def ListArtifacts(
        self, request: agent_pb2.ListArtifactsRequest, context: grpc.ServicerContext
    ) -> agent_pb2.ListArtifactsResponse:
        rows = [agent_pb2.StoredArtifact(sha256=sha256, size_bytes=size) for sha256, size in self.held.items()]
        return agent_pb2.ListArtifactsResponse(artifacts=rows)

    def DeleteArtifact(
        self, request: agent_pb2.DeleteArtifactRequest, context: grpc.ServicerContext
    ) -> agent_pb2.DeleteArtifactResponse:
        return agent_pb2.DeleteArtifactResponse(deleted=self.held.pop(request.sha256, None) is not None)

    def DescribeArtifact(
        self, request: agent_pb2.DescribeArtifactRequest, context: grpc.ServicerContext
    ) -> agent_pb2.DescribeArtifactResponse:
        self._require(request.sha256, context)
        signature = self._signature or Signature((), (), inputs_known=False, outputs_known=False)
        return agent_pb2.DescribeArtifactResponse(
            inputs=[_tensor_info(one) for one in signature.inputs],
            inputs_known=signature.inputs_known,
            outputs=[_tensor_info(one) for one in signature.outputs],
            outputs_known=signature.outputs_known,
            batch_size_max=signature.batch_size_max,
        )

    def AcquireLease(
        self, request: agent_pb2.AcquireLeaseRequest, context: grpc.ServicerContext
    ) -> agent_pb2.AcquireLeaseResponse:
        return agent_pb2.AcquireLeaseResponse(remaining_ns=request.duration_ns)

    def ReleaseLease(
        self, request: agent_pb2.ReleaseLeaseRequest, context: grpc.ServicerContext
    ) -> agent_pb2.ReleaseLeaseResponse:
        return agent_pb2.ReleaseLeaseResponse(released=True)

    def Invoke(
        self, requests: Iterator[agent_pb2.InvokeRequest], context: grpc.ServicerContext
    ) -> Iterator[agent_pb2.InvokeResponse]:
        digests = list(next(requests).header.sha256s)
        for sha256 in digests:
            self._require(sha256, context)
        for request in requests:
            response = agent_pb2.InvokeResponse()
            for batch in request.batches:
                inputs = {tensor.name: from_tensor(tensor) for tensor in batch.inputs}
                answered = response.batches.add(number=self._number_of(batch.number))
                for sha256 in digests:
                    answer = answered.answers.add(sha256=sha256, kernel_time_ns=_KERNEL_NS)
                    try:
                        fill_tensor(answer.outputs.add(), "", self._answer(sha256, inputs))
                    except Exception as error:  # the user's function raises what it likes, and the test has to see it
                        _abort(context, "INTERNAL", f"answers() raised {type(error).__name__}: {error}")
            response.crc32 = zlib.crc32(response.SerializeToString())
            yield response

    def Benchmark(
        self, request: agent_pb2.BenchmarkRequest, context: grpc.ServicerContext
    ) -> Iterator[agent_pb2.BenchmarkResponse]:
        self._require(request.sha256, context)
        if request.profile:
            _abort(context, "FAILED_PRECONDITION", "a fake agent runs no model that could be profiled")
        yield agent_pb2.BenchmarkResponse(telemetry=_telemetry())
        if request.cold:
            cold_start = agent_pb2.ColdStart(load_ns=_KERNEL_NS, first_inference_ns=_KERNEL_NS)
            yield agent_pb2.BenchmarkResponse(cold_start=cold_start)
        runs = max(request.runs, min(request.duration_ns // _KERNEL_NS, _RUNS_MAX))
        for start in range(0, runs, _SAMPLES_MAX):
            samples = [_KERNEL_NS] * min(_SAMPLES_MAX, runs - start)
            yield agent_pb2.BenchmarkResponse(samples=agent_pb2.BenchmarkSamples(kernel_time_ns=samples))
        yield agent_pb2.BenchmarkResponse(telemetry=_telemetry())

    def _answer(self, sha256: str, inputs: Mapping[str, NDArray[np.generic]]) -> NDArray[np.generic]:
        with self._one_at_a_time:
            values = np.asarray(self._answers(sha256, inputs))
        return values.astype(np.float32) if values.dtype == np.float64 else values

    def _require(self, sha256: str, context: grpc.ServicerContext) -> None:
        if sha256 not in self.held:
            _abort(context, "NOT_FOUND", f"artifact {sha256[:12]} is not on this device; upload it first")


def _telemetry() -> agent_pb2.Telemetry:
    return agent_pb2.Telemetry(time_unix_ns=time.time_ns())


def _tensor_info(info: TensorInfo) -> agent_pb2.TensorInfo:
    return agent_pb2.TensorInfo(
        names=[info.name] if info.name else [],
        data_type=data_type_of(np.dtype(info.dtype)) if info.dtype else None,
        shape=info.shape,
        scale=info.scale,
        zero_point=info.zero_point,
    )


def _abort(context: grpc.ServicerContext, code: str, message: str) -> NoReturn:
    context.abort(grpc.StatusCode[code], message)
    raise AssertionError("abort raises")
