"""LiteRT, formerly TensorFlow Lite: `.tflite` files through the interpreter with its default CPU delegate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from device_agent.errors import AgentError
from device_agent.runtimes._batching import Batcher, BatchSizeError
from device_agent.runtimes._model import Array, InputSpec, Quantization, TensorSpec
from device_agent.runtimes._refusals import refused_batch, refused_file

__all__ = ["SHARES_THREADS", "load", "prepare"]

SHARES_THREADS = False


def prepare() -> None:
    """Import the library.

    Raises:
        AgentError: FAILED_PRECONDITION where it is missing.
    """
    _interpreter_class()


def load(path: Path, *, threads: int) -> LiteRtModel:
    """Load and allocate one file, with ai-edge-litert, or with tflite-runtime on older boards.

    Raises:
        AgentError: INVALID_ARGUMENT for a malformed file, FAILED_PRECONDITION where the library is missing.
    """
    return LiteRtModel(path, threads=threads, interpreter_class=_interpreter_class())


class LiteRtModel:
    """One interpreter. It is re-allocated when the batch size changes, which takes microseconds: a second
    interpreter per size would only cost memory.

    Args:
        path: the `.tflite` file.
        threads: threads of the interpreter.
        interpreter_class: the library's ``Interpreter``.
    """

    def __init__(self, path: Path, *, threads: int, interpreter_class: Any) -> None:
        self._path = path
        self._threads = threads
        self._interpreter_class = interpreter_class
        self._build()
        details, answers = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self.inputs = tuple(_input_spec(d, self._signature_names("input")) for d in details)
        self.outputs = _output_specs(answers, self._signature_names("output"))
        # A file without a free batch axis may be resized all the same: only the kernels know.
        self.batch_limit = None
        self._input_indices = [int(d["index"]) for d in details]
        self._native_shapes = [[int(axis) for axis in d["shape"]] for d in details]
        self._native = self._native_shapes[0][0] if details and self._native_shapes[0] else 1
        self._outputs = [(int(d["index"]), _quantization(d)) for d in answers]
        self._allocated = [tuple(shape) for shape in self._native_shapes]
        self._batcher = Batcher(native=self._native)

    def run(self, inputs: Sequence[Array]) -> tuple[list[Array], int]:
        """Feed one batch of any size; quantized outputs come back as float32."""
        outputs, kernel_ns = self._batcher.run(self._run_once, inputs)
        return [
            _real(values, quantization) for values, (_, quantization) in zip(outputs, self._outputs, strict=True)
        ], kernel_ns

    def _run_once(self, inputs: Sequence[Array]) -> tuple[list[Array], int]:
        shapes = [values.shape for values in inputs]
        if shapes != self._allocated:
            self._allocate(shapes)
        interpreter = self._interpreter
        start = time.perf_counter_ns()
        try:
            for index, values in zip(self._input_indices, inputs, strict=True):
                interpreter.set_tensor(index, values)
            interpreter.invoke()
            outputs = [interpreter.get_tensor(index) for index, _ in self._outputs]
        except (RuntimeError, ValueError, OSError, MemoryError) as error:
            raise self._refused(error) from error
        return outputs, time.perf_counter_ns() - start

    def _allocate(self, shapes: list[tuple[int, ...]]) -> None:
        try:
            for index, shape in zip(self._input_indices, shapes, strict=True):
                self._interpreter.resize_tensor_input(index, shape)
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError, OSError, MemoryError) as error:
            raise self._refused(error) from error
        self._allocated = shapes

    def _refused(self, error: Exception) -> AgentError | BatchSizeError:
        # A delegate that failed half-way is not to be trusted with the next batch.
        self._build()
        return refused_batch(error, " ".join(str(error).split()))

    def _build(self) -> None:
        try:
            interpreter = self._interpreter_class(model_path=str(self._path), num_threads=self._threads)
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError, OSError, MemoryError) as error:
            raise refused_file("the LiteRT loader", error, " ".join(str(error).split())) from error
        self._interpreter: Any = interpreter
        self._allocated = [tuple(int(a) for a in d["shape"]) for d in interpreter.get_input_details()]

    def _signature_names(self, side: Literal["input", "output"]) -> dict[str, str]:
        """Tensor name -> the name that the model's author sees, from the file's first signature."""
        signatures = self._interpreter.get_signature_list()
        if not signatures:
            return {}
        key, signature = next(iter(signatures.items()))
        runner = self._interpreter.get_signature_runner(key)
        details = runner.get_input_details() if side == "input" else runner.get_output_details()
        return {str(details[name]["name"]): str(name) for name in signature[f"{side}s"]}


def _interpreter_class() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter
        except ImportError as error:
            raise AgentError(
                "FAILED_PRECONDITION", 'this agent has no LiteRT; install "edgeleak[litert]" where the agent runs'
            ) from error
    return Interpreter


def _input_spec(details: dict[str, Any], signature_names: dict[str, str]) -> InputSpec:
    return InputSpec(
        _names(details, signature_names), np.dtype(details["dtype"]), _record_shape(details), _quantization(details)
    )


def _output_specs(answers: list[dict[str, Any]], signature_names: dict[str, str]) -> tuple[TensorSpec, ...] | None:
    """The outputs; None where one has no axes before the kernels ran, so that its shape is not known."""
    if not all(len(details["shape"]) for details in answers):
        return None
    return tuple(
        TensorSpec(_names(d, signature_names), np.dtype(d["dtype"]), _record_shape(d), _quantization(d))
        for d in answers
    )


def _names(details: dict[str, Any], signature_names: dict[str, str]) -> tuple[str, ...]:
    name = str(details["name"])
    return (signature_names[name], name) if name in signature_names else (name,)


def _record_shape(details: dict[str, Any]) -> tuple[int | None, ...]:
    signature = details.get("shape_signature", details["shape"])
    return tuple(None if axis < 0 else int(axis) for axis in list(signature)[1:])


def _quantization(details: dict[str, Any]) -> Quantization | None:
    scale, zero_point = details["quantization"]
    dtype = np.dtype(details["dtype"])
    if scale == 0 or dtype.kind not in "iu":
        return None
    return Quantization(float(scale), int(zero_point), dtype)


def _real(values: Array, quantization: Quantization | None) -> Array:
    if quantization is not None:
        return quantization.dequantize(values)
    return values.astype(np.float32) if values.dtype.kind == "f" else values
