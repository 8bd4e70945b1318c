"""Real agents as processes, and one whose answers are altered on their way, for tests of pools."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np

from protos import MAX_MESSAGE_BYTES
from protos.edgeleak.v1 import agent_pb2
from protos.tensors import fill_tensor, from_tensor

__all__ = ["altered"]

_INVOKE = "/edgeleak.v1.AgentService/Invoke"
_OPTIONS = [
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.enable_http_proxy", 0),
]


@contextmanager
def altered(target: str, *, by: float = 1e-3, first: int = 0) -> Iterator[str]:
    """The address of an agent that answers as the one at `target` does, but for a number added to every output.

    Args:
        target: ``host:port`` of a running agent.
        by: what is added.
        first: the first batch that is answered otherwise.
    """
    threads = ThreadPoolExecutor(8, thread_name_prefix="altered")
    with grpc.insecure_channel(target, options=_OPTIONS) as channel:
        server = grpc.server(threads, options=_OPTIONS)
        server.add_generic_rpc_handlers((_Forwarding(channel, lambda message: _shifted(message, by, first)),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"grpc://127.0.0.1:{port}"
        finally:
            server.stop(0).wait()
            threads.shutdown()


class _Forwarding(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in the stubs alone
    """Hands every call on as it is; a call with one message is a stream of one."""

    def __init__(self, channel: grpc.Channel, change: Callable[[bytes], bytes]) -> None:
        self._channel = channel
        self._change = change

    def service(self, details: Any) -> grpc.RpcMethodHandler[bytes, bytes]:
        forward = self._channel.stream_stream(details.method, request_serializer=None, response_deserializer=None)
        change = self._change if details.method == _INVOKE else bytes

        def handle(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            call = forward(requests, metadata=_own(context.invocation_metadata()))
            context.add_callback(call.cancel)
            try:
                for message in call:
                    yield change(message)
            except grpc.RpcError:
                context.set_trailing_metadata(_own(call.trailing_metadata()))
                context.abort(call.code(), call.details() or "")

        return grpc.stream_stream_rpc_method_handler(handle)


def _own(metadata: Any) -> tuple[tuple[str, str], ...]:
    """The contract's own metadata, without gRPC's."""
    return tuple((key, value) for key, value in metadata or () if key.startswith("edgeleak"))


def _shifted(message: bytes, by: float, first: int) -> bytes:
    response = agent_pb2.InvokeResponse.FromString(message)
    for batch in response.batches:
        for answer in batch.answers if batch.number >= first else ():
            for tensor in answer.outputs:
                values = np.asarray(from_tensor(tensor), dtype=np.float32) + np.float32(by)
                tensor.Clear()
                fill_tensor(tensor, "", values)
    response.ClearField("crc32")
    response.crc32 = zlib.crc32(response.SerializeToString())
    return response.SerializeToString()
