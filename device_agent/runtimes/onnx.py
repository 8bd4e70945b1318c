"""ONNX Runtime: `.onnx` files on its CPU provider."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from device_agent.errors import AgentError
from device_agent.runtimes._batching import Batcher
from device_agent.runtimes._model import Array, InputSpec, TensorSpec
from device_agent.runtimes._refusals import refused_batch, refused_file

__all__ = ["SHARES_THREADS", "load", "prepare"]

_PROVIDERS = ["CPUExecutionProvider"]
# The runtime's names of element types -> numpy's.
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int16)": "int16",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}
# What the library puts before its reason: codes, the path of the file on this device, places in its own source.
_PREAMBLE = re.compile(
    r"^\[ONNXRuntimeError\] : \d+ : \w+ : (Load model from \S+ failed:)?(\S+\.(h|cc):\d+ .*?\)(?= [A-Z]) )?"
)
# Where on this device it looked for weights in other files, and where in its source it noticed.
_PLACES = re.compile(r' (resolved path|allowed directory): "[^"]*"|\S+\.(h|cc):\d+ \S+ ')
# Fatal errors only: what a file is refused for comes back as an exception, and need not be printed, too.
_FATAL = 4
SHARES_THREADS = False


def prepare() -> None:
    """Import the library.

    Raises:
        AgentError: FAILED_PRECONDITION where it is missing.
    """
    _library()


def load(path: Path, *, threads: int) -> OnnxModel:
    """Load one file.

    Raises:
        AgentError: INVALID_ARGUMENT for a malformed file, FAILED_PRECONDITION where the library is missing.
    """
    library = _library()
    options = library.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    try:
        # By path: the library then refuses weights that the file looks for outside its own folder.
        session = library.InferenceSession(str(path), options, providers=_PROVIDERS)
    except Exception as error:  # the library's exceptions have no base of their own
        raise refused_file("the ONNX loader", error, _reason(error)) from error
    return OnnxModel(session)


class OnnxModel:
    """One session.

    Args:
        session: the library's ``InferenceSession``.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        declared = session.get_inputs()
        self._names = [str(item.name) for item in declared]
        self.inputs = tuple(_input_spec(item) for item in declared)
        # An axis of any length has a name or nothing where others have a number.
        native = declared[0].shape[0] if declared else 1
        self.outputs = _output_specs(session.get_outputs())
        self.batch_limit = native if declared and isinstance(native, int) else None
        self._batcher = Batcher(native=self.batch_limit or 1)

    def run(self, inputs: Sequence[Array]) -> tuple[list[Array], int]:
        """Feed one batch of any size."""
        outputs, kernel_ns = self._batcher.run(self._run_once, inputs)
        return [y.astype(np.float32, copy=False) if y.dtype.kind == "f" else y for y in outputs], kernel_ns

    def _run_once(self, inputs: Sequence[Array]) -> tuple[list[Array], int]:
        start = time.perf_counter_ns()
        try:
            outputs = self._session.run(None, dict(zip(self._names, inputs, strict=True)))
        except Exception as error:  # the library's exceptions have no base of their own
            raise refused_batch(error, _reason(error)) from error
        kernel_ns = time.perf_counter_ns() - start
        if not all(isinstance(output, np.ndarray) for output in outputs):
            raise AgentError("INVALID_ARGUMENT", "an output of the model is not a tensor")
        return list(outputs), kernel_ns


def _library() -> Any:
    # The library reports to its maker, over the network and by files, unless this is set before its import.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ImportError as error:
        raise AgentError(
            "FAILED_PRECONDITION", 'this agent has no ONNX Runtime; install "edgeleak[onnx]" where the agent runs'
        ) from error
    return onnxruntime


def _input_spec(declared: Any) -> InputSpec:
    dtype = _DTYPES.get(declared.type)
    if dtype is None or not declared.shape:
        raise AgentError("INVALID_ARGUMENT", f"input {declared.name!r} has a type or shape that cannot be fed")
    return InputSpec((str(declared.name),), np.dtype(dtype), _record_shape(declared))


def _output_specs(declared: Sequence[Any]) -> tuple[TensorSpec, ...] | None:
    """The outputs; None where the file does not declare the type or the shape of one."""
    if not all(item.type in _DTYPES and item.shape for item in declared):
        return None
    return tuple(TensorSpec((str(d.name),), np.dtype(_DTYPES[d.type]), _record_shape(d)) for d in declared)


def _record_shape(declared: Any) -> tuple[int | None, ...]:
    # An axis of any length has a name or nothing where others have a number.
    return tuple(axis if isinstance(axis, int) else None for axis in declared.shape[1:])


def _reason(error: Exception) -> str:
    """The library's words on one line, without its codes, this device's path of the file, and its own source lines."""
    words = _PREAMBLE.sub("", " ".join(str(error).split()))
    return _PLACES.sub("", words) or type(error).__name__
