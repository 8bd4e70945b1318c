"""Calls under way: how many at once, and how long one may keep a place without saying or reading anything."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from device_agent.errors import AgentError, BusyError
from device_agent.incoming import Incoming
from protos import BUSY_METADATA

__all__ = ["THREADS", "Calls", "abort", "statuses"]

# Calls that may be open at once: streams of a few hosts, and the questions beside them. Batches run one at a time
# anyway, and each stream may hold two messages.
_STREAMS_MAX = 8
_QUESTIONS_MAX = 16
# Health is asked by whoever watches the agent, also when everything else is taken: places and threads of its own.
_HEALTH_MAX = 8
_HEALTH = "/grpc.health.v1.Health/Check"
_LONG = ("/Invoke", "/Benchmark", "/UploadArtifact", "/Watch", "/ServerReflectionInfo")
# Threads for calls: the places, and some that tell others that there is none.
THREADS = _STREAMS_MAX + _QUESTIONS_MAX + 8
# A question is a few bytes: who opens a call and does not ask it gives the place back.
_QUESTION_SECONDS = 10.0
# How often the watch over callers that do not read looks.
_LOOK_SECONDS = 1.0

# What gRPC and its stubs call a method's handler takes type arguments in the stubs alone.
_Handler = Any

_log = logging.getLogger("edgeleak.agent")


class Calls(grpc.ServerInterceptor):  # type: ignore[type-arg]  # only the stubs' takes arguments
    """Gives every call a place, and takes it back from callers that are silent.

    Messages are parsed here and not by gRPC, which answers a malformed one as the server's own failure.

    Args:
        idle_seconds: longest that a stream may leave an answer unread.
        clock: seconds that only grow.
    """

    def __init__(self, *, idle_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._places = {
            "streams": threading.Semaphore(_STREAMS_MAX),
            "questions": threading.Semaphore(_QUESTIONS_MAX),
            "health": threading.Semaphore(_HEALTH_MAX),
        }
        self._health_threads = ThreadPoolExecutor(_HEALTH_MAX, thread_name_prefix="health")
        self._unread: dict[grpc.ServicerContext, float] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="unread-answers", daemon=True).start()

    def intercept_service(
        self, continuation: Callable[[Any], _Handler | None], details: grpc.HandlerCallDetails
    ) -> _Handler | None:
        """The method's handler, in a place of its own."""
        handler = continuation(details)
        if handler is None:
            return None
        method = str(details.method)
        kind = "health" if method == _HEALTH else "streams" if method.endswith(_LONG) else "questions"
        behavior: Any = self._streaming(handler, kind) if handler.response_streaming else self._single(handler, kind)
        if kind == "health":
            # gRPC looks for it there.
            behavior.experimental_thread_pool = self._health_threads
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(behavior, response_serializer=handler.response_serializer)
        return grpc.stream_unary_rpc_method_handler(behavior, response_serializer=handler.response_serializer)

    def close(self) -> None:
        """End the watch."""
        self._closed.set()
        self._health_threads.shutdown(wait=False)

    def _single(self, handler: Any, kind: str) -> Callable[[Iterator[bytes], grpc.ServicerContext], Any]:
        def behavior(requests: Iterator[bytes], context: grpc.ServicerContext) -> Any:
            with statuses(context), self._place(kind):
                if handler.request_streaming:
                    return handler.stream_unary(self._parsed_all(requests, handler.request_deserializer), context)
                return handler.unary_unary(_question(requests, handler.request_deserializer), context)

        return behavior

    def _streaming(self, handler: Any, kind: str) -> Callable[[Iterator[bytes], grpc.ServicerContext], Iterator[Any]]:
        def behavior(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[Any]:
            with statuses(context), self._place(kind):
                if handler.request_streaming:
                    answers = handler.stream_stream(self._parsed_all(requests, handler.request_deserializer), context)
                else:
                    answers = handler.unary_stream(_question(requests, handler.request_deserializer), context)
                for answer in answers:
                    with self._to_be_read(context):
                        yield answer

        return behavior

    def _parsed_all(self, requests: Iterator[bytes], parse: Callable[[bytes], Any] | None) -> Iterator[Any]:
        """All messages of a call; none may be long in coming. A method that takes raw ones sees to that itself."""
        if parse is None:
            return requests
        return self._parsed_in_time(requests, parse)

    def _parsed_in_time(self, requests: Iterator[bytes], parse: Callable[[bytes], Any]) -> Iterator[Any]:
        with Incoming(requests) as incoming:
            while True:
                message = incoming.get(self._idle_seconds)
                if message is not None:
                    yield _parsed(message, parse)
                elif incoming.ended:
                    return
                else:
                    why = f"nothing came for {self._idle_seconds:g} s; call again, an upload resumes where it was"
                    raise AgentError("UNAVAILABLE", why)

    @contextlib.contextmanager
    def _place(self, kind: str) -> Iterator[None]:
        if not self._places[kind].acquire(blocking=False):
            raise AgentError("RESOURCE_EXHAUSTED", f"all places for {kind} of this agent are taken; try again later")
        try:
            yield
        finally:
            self._places[kind].release()

    @contextlib.contextmanager
    def _to_be_read(self, context: grpc.ServicerContext) -> Iterator[None]:
        with self._lock:
            self._unread[context] = self._clock()
        try:
            yield
        finally:
            with self._lock:
                self._unread.pop(context, None)

    def _watch(self) -> None:
        while not self._closed.wait(_LOOK_SECONDS):
            now = self._clock()
            with self._lock:
                stalled = [context for context, since in self._unread.items() if now - since > self._idle_seconds]
            for context in stalled:
                # A call that blocks in sending cannot be given a status; it can only be ended.
                context.cancel()  # type: ignore[no-untyped-call]


def _question(requests: Iterator[bytes], parse: Callable[[bytes], Any] | None) -> Any:
    """The one message of a call.

    Raises:
        AgentError: it did not come, or is malformed.
    """
    with Incoming(requests) as incoming:
        message = incoming.get(_QUESTION_SECONDS)
        if message is None:
            raise AgentError("DEADLINE_EXCEEDED", f"no request came within {_QUESTION_SECONDS:g} s")
        return _parsed(message, parse)


def _parsed(message: bytes, parse: Callable[[bytes], Any] | None) -> Any:
    try:
        return message if parse is None else parse(message)
    except DecodeError as error:
        raise AgentError("INVALID_ARGUMENT", "the request is malformed: it is no message of this method") from error


@contextlib.contextmanager
def statuses(context: grpc.ServicerContext) -> Iterator[None]:
    """Answer an error with its status."""
    try:
        yield
    except AgentError as error:
        abort(context, error)
    except (grpc.RpcError, OSError) as error:
        if not context.is_active():
            # The caller went away; there is nobody to answer.
            raise
        _log.exception("call failed")
        # Errors of the system name files of this device, which are not the caller's to know.
        reason = error.strerror if isinstance(error, OSError) else "the connection broke"
        abort(context, AgentError("INTERNAL", f"the agent failed: {reason}"))
    except Exception as error:  # gRPC would send its words, which may name files
        if not context.is_active():
            raise
        _log.exception("call failed")
        abort(context, AgentError("INTERNAL", f"the agent failed: {type(error).__name__}; its log says more"))


def abort(context: grpc.ServicerContext, error: AgentError) -> None:
    """End a call with an error's status; always raises."""
    if isinstance(error, BusyError):
        context.set_trailing_metadata(((BUSY_METADATA, str(max(0, int(error.seconds * 1e9)))),))
    context.abort(grpc.StatusCode[error.code], error.message)
