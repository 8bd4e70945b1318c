"""The child process that owns the interpreters: a model that crashes kills this process, not the agent.

Started by the agent as ``python -m device_agent.worker SETTINGS``; it is caged before it sees a model. A request's
header is JSON, its payload is a protobuf message; so is the reply. The worker holds no state that the next worker would
miss: every request names its artifacts with their paths, and what is not loaded is loaded.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

from device_agent import cage, timing
from device_agent.descriptions import describe
from device_agent.errors import AgentError
from device_agent.frames import OK, FrameSocket
from device_agent.loaded import LoadedModels, Named
from device_agent.runtimes import arrange, library
from device_agent.settings import CageSettings, WorkerSettings
from protos.edgeleak.v1 import agent_pb2
from protos.pages import keep_pages
from protos.tensors import fill_tensor
from protos.wire import DamagedError, WireBatch, opened, read_batches, sealed

__all__ = ["Worker", "main"]

# linux/prctl.h: the kernel signals this process when its parent dies, even while a kernel call hangs.
_PR_SET_PDEATHSIG = 1
# A frame waits while one is worked on: its bytes arrive during the kernel's time, not after it.
_WAITING_MAX = 1
# Models may take this share of the worker's memory; the rest is for batches and kernels.
_MODELS_SHARE = 2
# Where the worker's memory has no limit.
_MODELS_BYTES = 2 * 1024**3


# A request's header; then what it carries, without its checksum, or why that cannot be used; None for no payload.
_Request = tuple[bytes, memoryview | DamagedError | None]


class Worker:
    """Answers requests over one socket until the agent closes it.

    Args:
        frames: the connection to the agent.
        memory_bytes: limit on this process's memory, 0 where there is none.
    """

    def __init__(self, frames: FrameSocket, *, memory_bytes: int = 0) -> None:
        self._frames = frames
        self._models = LoadedModels(max_bytes=memory_bytes // _MODELS_SHARE or _MODELS_BYTES)
        self._operations: dict[str, Callable[[dict[str, Any]], bytes]] = {
            "prepare": self._prepare,
            "load": self._load,
            "unload": self._unload,
            "describe": self._describe,
            "benchmark": self._benchmark,
        }

    def serve(self) -> None:
        """Answer until end of file."""
        waiting: queue.Queue[_Request | None] = queue.Queue(_WAITING_MAX)
        threading.Thread(target=self._receive, args=(waiting,), name="frames", daemon=True).start()
        while (frame := waiting.get()) is not None:
            self._answer(*frame)

    def _receive(self, waiting: queue.Queue[_Request | None]) -> None:
        try:
            while (frame := self._frames.receive()) is not None:
                header, payload = frame
                # Checked here, while the kernel computes: it takes a thirtieth of a small model's time.
                try:
                    waiting.put((header, opened(payload) if payload else None))
                except DamagedError as error:
                    waiting.put((header, error))
        except (EOFError, OSError, MemoryError):
            # The agent went away, perhaps in the middle of a frame; or not even its message fits into the memory.
            waiting.put(None)

    def _answer(self, header: bytes, payload: memoryview | DamagedError | None) -> None:
        try:
            reply = self._operate(header) if payload is None else self._run(header, payload)
        except AgentError as error:
            self._refuse(error.code, error.message)
        except MemoryError:
            self._refuse(
                "RESOURCE_EXHAUSTED", "the model and the batch outgrow the device's memory; use a smaller batch"
            )
        except Exception as error:  # the runtimes raise what they like; the agent and the next call must survive it
            self._refuse("INTERNAL", f"the runtime failed: {type(error).__name__}: {' '.join(str(error).split())}")
        else:
            self._frames.send(OK, reply)

    def _refuse(self, code: str, message: str) -> None:
        self._frames.send(json.dumps({"error": code, "message": message}).encode())

    def _operate(self, header: bytes) -> bytes:
        request = json.loads(header)
        return self._operations[request["operation"]](request)

    def _run(self, header: bytes, payload: memoryview | DamagedError) -> bytes:
        if isinstance(payload, DamagedError):
            raise AgentError("DATA_LOSS", str(payload)) from payload
        named = self._models.named(header)
        try:
            batches = read_batches(payload)
        except ValueError as error:
            raise AgentError("INVALID_ARGUMENT", f"malformed batch: {error}") from error
        response = agent_pb2.InvokeResponse()
        for batch in batches:
            _answer_batch(batch, named, response.batches.add(number=batch.number))
        return sealed([response.SerializeToString()])

    def _prepare(self, request: dict[str, Any]) -> bytes:
        """Import libraries now, so that nobody waits for them later; one that is missing is the first load's error."""
        for runtime in request["runtimes"]:
            with contextlib.suppress(AgentError):
                library(runtime).prepare()
        return b""

    def _load(self, request: dict[str, Any]) -> bytes:
        self._models.require(request)
        return b""

    def _unload(self, request: dict[str, Any]) -> bytes:
        self._models.drop([artifact["sha256"] for artifact in request["artifacts"]])
        return b""

    def _describe(self, request: dict[str, Any]) -> bytes:
        ((_, model),) = self._models.require(request)
        return describe(model).SerializeToString()

    def _benchmark(self, request: dict[str, Any]) -> bytes:
        """Time one model; every group of samples is one reply, an empty one is the last."""
        timing.benchmark(request, lambda: self._models.require(request)[0][1], lambda data: self._frames.send(OK, data))
        return b""


def _answer_batch(batch: WireBatch, named: Named, into: agent_pb2.BatchAnswer) -> None:
    for sha256, model in named:
        try:
            outputs, kernel_ns = model.run(arrange(model.inputs, batch.tensors))
            answer = into.answers.add(sha256=sha256, kernel_time_ns=kernel_ns)
            for output in outputs:
                fill_tensor(answer.outputs.add(), "", output)
        except AgentError as error:
            message = f"batch {batch.number}, artifact {sha256[:12]}: {error.message}"
            raise AgentError(error.code, message) from error


def _die_with_parent(parent: int) -> None:
    """End with the agent even where it had no time to say so; elsewhere than Linux the closed socket has to do."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def main() -> None:
    """Serve the agent that started this process, as `WorkerSettings`, the one argument, say."""
    keep_pages()
    settings = WorkerSettings.from_argument(sys.argv[1])
    _die_with_parent(settings.parent)
    # Ctrl-C reaches the whole process group; the agent decides when its worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # torch's: a batch is read where it lies, which nothing may change, as it feeds several models.
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
    with socket.socket(fileno=settings.descriptor) as sock:
        frames = FrameSocket(sock)  # sets the socket's buffers, which nothing may do inside
        memory_bytes = 0
        if settings.cage is not None:
            _confine(settings.cage)
            memory_bytes = settings.cage.memory_bytes
        try:
            Worker(frames, memory_bytes=memory_bytes).serve()
        except OSError:
            # The agent went away in the middle of a frame: nobody waits for an answer.
            return


def _confine(settings: CageSettings) -> None:
    """Enter the cage, or end: a kernel that has what confines and refuses it is not to be trusted with a model."""
    try:
        sandbox = cage.enter(settings)
    except OSError as error:
        sys.exit(f"edgeleak-agent: the process that runs models cannot be confined: {error}")
    if settings.require and sandbox.unconfined:
        sys.exit(f"edgeleak-agent: the process that runs models is not confined: {'; '.join(sandbox.unconfined)}")


if __name__ == "__main__":
    main()
