"""The child process that owns the interpreters: a model that crashes kills this process, not the agent.

Started by the supervisor as ``python -m device_agent.worker FD``. A request's header is JSON, its payload is a protobuf
message; so is the reply. The worker holds no state that the next worker would miss: every request names its artifacts
with their paths, and what is not loaded is loaded.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from device_agent import timing
from device_agent.descriptions import describe
from device_agent.errors import AgentError
from device_agent.frames import OK, FrameSocket
from device_agent.runtimes import Model, arrange, library
from protos.edgeleak.v1 import agent_pb2
from protos.tensors import fill_tensor, from_tensor

__all__ = ["Worker", "main"]

# linux/prctl.h: the kernel signals this process when its parent dies, even while a kernel call hangs.
_PR_SET_PDEATHSIG = 1
# Artifacts and threads of one request, parsed once: a stream sends the same header with every batch.
_Named = list[tuple[str, Model]]


class Worker:
    """Answers requests over one socket until the agent closes it.

    Args:
        frames: the connection to the agent.
    """

    def __init__(self, frames: FrameSocket) -> None:
        self._frames = frames
        self._models: dict[tuple[str, int], tuple[str, Model]] = {}
        self._by_header: dict[bytes, _Named] = {}
        self._operations: dict[str, Callable[[dict[str, Any]], None]] = {
            "load": self._load,
            "unload": self._unload,
            "describe": self._describe,
            "benchmark": self._benchmark,
        }

    def serve(self) -> None:
        """Answer until end of file."""
        while True:
            try:
                header, payload = self._frames.receive()
            except EOFError:
                return
            self._answer(header, payload)

    def _answer(self, header: bytes, payload: bytes) -> None:
        try:
            if payload:
                self._frames.send(OK, self._run(header, payload))
            else:
                request = json.loads(header)
                self._operations[request["operation"]](request)
        except AgentError as error:
            self._refuse(error.code, error.message)
        except MemoryError:
            self._refuse("RESOURCE_EXHAUSTED", "the device ran out of memory; use a smaller batch")
        except OSError:
            raise
        except Exception as error:  # the runtimes raise what they like; the agent and the next call must survive it
            self._refuse("INTERNAL", f"the runtime failed: {type(error).__name__}: {' '.join(str(error).split())}")

    def _refuse(self, code: str, message: str) -> None:
        self._frames.send(json.dumps({"error": code, "message": message}).encode())

    def _run(self, header: bytes, payload: bytes) -> bytes:
        named = self._by_header.get(header)
        if named is None:
            named = self._by_header[header] = self._require(json.loads(header))
        try:
            request = agent_pb2.InvokeRequest.FromString(payload)
        except DecodeError as error:
            raise AgentError("INVALID_ARGUMENT", f"malformed batch: {error}") from error
        if request.HasField("header") or not request.batches:
            raise AgentError("INVALID_ARGUMENT", "after the header come batches")
        response = agent_pb2.InvokeResponse()
        for batch in request.batches:
            _answer_batch(batch, named, response.batches.add(number=batch.number))
        return response.SerializeToString()

    def _load(self, request: dict[str, Any]) -> None:
        self._require(request)
        self._frames.send(OK)

    def _unload(self, request: dict[str, Any]) -> None:
        self._by_header.clear()
        for key in [key for key in self._models if key[0] == request["sha256"]]:
            del self._models[key]
        self._frames.send(OK)

    def _describe(self, request: dict[str, Any]) -> None:
        ((_, model),) = self._require(request)
        self._frames.send(OK, describe(model).SerializeToString())

    def _benchmark(self, request: dict[str, Any]) -> None:
        """Time one model; every group of samples is one reply, an empty one is the last."""
        timing.benchmark(request, lambda: self._require(request)[0][1], lambda data: self._frames.send(OK, data))
        self._frames.send(OK)

    def _require(self, request: dict[str, Any]) -> _Named:
        threads = request["threads"]
        return [
            (a["sha256"], self._model(a["sha256"], a["runtime"], Path(a["path"]), threads))
            for a in request["artifacts"]
        ]

    def _model(self, sha256: str, runtime: str, path: Path, threads: int) -> Model:
        loaded = self._models.get((sha256, threads))
        if loaded is not None:
            return loaded[1]
        loader = library(runtime)
        if loader.SHARES_THREADS:
            self._drop(lambda key, name: name == runtime and key[1] != threads)
        try:
            model = loader.load(path, threads=threads)
        except AgentError as error:
            raise AgentError(error.code, f"artifact {sha256[:12]}: {error.message}") from error
        self._models[sha256, threads] = (runtime, model)
        return model

    def _drop(self, wanted: Callable[[tuple[str, int], str], bool]) -> None:
        for key in [key for key, (name, _) in self._models.items() if wanted(key, name)]:
            del self._models[key]
            self._by_header.clear()


def _answer_batch(batch: agent_pb2.Batch, named: _Named, into: agent_pb2.BatchAnswer) -> None:
    try:
        tensors = [(tensor.name, from_tensor(tensor)) for tensor in batch.inputs]
    except ValueError as error:
        raise AgentError("INVALID_ARGUMENT", f"batch {batch.number} is malformed: {error}") from error
    for sha256, model in named:
        try:
            outputs, kernel_ns = model.run(arrange(model.inputs, tensors))
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
    """Serve the socket whose descriptor is the first argument; the second is the agent's process id."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    _die_with_parent(parent)
    # Ctrl-C reaches the whole process group; the agent decides when its worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=descriptor) as sock:
        try:
            Worker(FrameSocket(sock)).serve()
        except OSError:
            # The agent went away in the middle of a frame: nobody waits for an answer.
            return


if __name__ == "__main__":
    main()
