"""ExecuTorch by its own Python bindings, which bring torch into the worker: where there is no shim."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from device_agent.errors import AgentError
from device_agent.runtimes._batching import Batcher
from device_agent.runtimes._model import Array, InputSpec, TensorSpec
from device_agent.runtimes._refusals import refused_batch, refused_file
from device_agent.runtimes.executorch._scalars import SCALAR_TYPES

__all__ = ["SHARES_THREADS", "load", "prepare"]

# The method that every export of a plain module has.
_METHOD = "forward"
SHARES_THREADS = True


def prepare() -> None:
    """Import the library.

    Raises:
        AgentError: FAILED_PRECONDITION where it is missing.
    """
    _libraries()


def load(path: Path, *, threads: int) -> ExecuTorchModel:
    """Load one program's ``forward``.

    Raises:
        AgentError: INVALID_ARGUMENT for a malformed file, FAILED_PRECONDITION where the library is missing.
    """
    bindings, torch = _libraries()
    if bindings._threadpool_get_thread_count() != threads:
        bindings._unsafe_reset_threadpool(threads)
    try:
        # The whole table of contents is verified, as far as the library can.
        program = bindings._load_program(str(path), program_verification=bindings.Verification.InternalConsistency)
        names = {program.get_method_name(position) for position in range(program.num_methods())}
        if _METHOD not in names:
            raise AgentError("INVALID_ARGUMENT", f"the program has no method {_METHOD!r}")
        method = program.load_method(_METHOD)
    except (RuntimeError, ValueError, OSError, MemoryError) as error:
        raise refused_file("the ExecuTorch loader", error, " ".join(str(error).split())) from error
    return ExecuTorchModel(program, method, torch)


class ExecuTorchModel:
    """One loaded method.

    Args:
        program: the bindings' program, which owns what the method computes with.
        method: the bindings' method.
        torch: the module, imported by the caller because it takes seconds.
    """

    def __init__(self, program: Any, method: Any, torch: Any) -> None:
        self._program = program
        self._method = method
        self._torch = torch
        metadata = method.method_meta()
        self.inputs = tuple(_input_spec(metadata, position) for position in range(metadata.num_inputs()))
        # The bound of a dynamic batch axis, or the size of a static one: the file does not say which.
        bound = int(metadata.input_tensor_meta(0).sizes()[0]) if self.inputs else 1
        self.outputs = _output_specs(metadata)
        self.batch_limit = bound if self.inputs else None
        self._batcher = Batcher(native=bound, limit=bound)

    def run(self, inputs: Sequence[Array]) -> tuple[list[Array], int]:
        """Feed one batch of any size."""
        outputs, kernel_ns = self._batcher.run(self._run_once, inputs)
        return [y.astype(np.float32, copy=False) if y.dtype.kind == "f" else y for y in outputs], kernel_ns

    def _run_once(self, inputs: Sequence[Array]) -> tuple[list[Array], int]:
        start = time.perf_counter_ns()
        tensors = [self._torch.from_numpy(values) for values in inputs]
        try:
            # The next run overwrites the output's memory.
            outputs = [output.clone() for output in self._method(tensors)]
        except (RuntimeError, OSError, MemoryError) as error:
            raise refused_batch(error, " ".join(str(error).split())) from error
        kernel_ns = time.perf_counter_ns() - start
        return [_array(output, self._torch) for output in outputs], kernel_ns


def _libraries() -> tuple[Any, Any]:
    """The bindings and torch, whose libraries the bindings' are linked to.

    The library's own Python modules around the bindings import its exporter, which takes three times as long as torch.
    """
    try:
        import torch
        from executorch.extension.pybindings import _portable_lib
    except ImportError as error:
        raise AgentError(
            "FAILED_PRECONDITION", 'this agent has no ExecuTorch; install "edgeleak[executorch]" where the agent runs'
        ) from error
    return _portable_lib, torch


def _input_spec(metadata: Any, position: int) -> InputSpec:
    try:
        tensor = metadata.input_tensor_meta(position)
    except RuntimeError as error:
        raise AgentError("INVALID_ARGUMENT", f"input {position} of the program is not a tensor") from error
    dtype = SCALAR_TYPES.get(int(tensor.dtype()))
    if dtype is None or not tensor.sizes():
        raise AgentError("INVALID_ARGUMENT", f"input {position} of the program has a type or shape that cannot be fed")
    return InputSpec((), np.dtype(dtype), tuple(int(axis) for axis in tensor.sizes()[1:]))


def _output_specs(metadata: Any) -> tuple[TensorSpec, ...] | None:
    """The outputs; None where one is not a tensor of records."""
    specs = []
    for position in range(metadata.num_outputs()):
        try:
            tensor = metadata.output_tensor_meta(position)
        except RuntimeError:
            return None
        dtype = SCALAR_TYPES.get(int(tensor.dtype()))
        if dtype is None or not tensor.sizes():
            return None
        specs.append(TensorSpec((), np.dtype(dtype), tuple(int(axis) for axis in tensor.sizes()[1:])))
    return tuple(specs)


def _array(output: Any, torch: Any) -> Array:
    if not isinstance(output, torch.Tensor):
        raise AgentError("INVALID_ARGUMENT", "an output of the program is not a tensor")
    values: Array = output.to(torch.float32).numpy() if output.is_floating_point() else output.numpy()
    return values
