"""PyTorch Mobile: `.ptl` files through torch's lite interpreter, with QNNPACK's kernels for quantized ones."""

from __future__ import annotations

import json
import os
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from device_agent.errors import AgentError
from device_agent.runtimes._batching import Batcher
from device_agent.runtimes._model import Array, InputSpec
from device_agent.runtimes._refusals import refused_batch, refused_file

__all__ = ["SHARES_THREADS", "load", "prepare"]

# The engine of phones; a packed weight is unpacked by the engine that is set while it is loaded.
_ENGINE = "qnnpack"
# The format does not say what a model takes. Whoever writes the file says it here, as an extra file of the archive:
# {"inputs": [{"name": "args_0", "dtype": "float32", "shape": [1, 8, 8]}]}, shapes without the batch axis.
_INPUTS = "extra/inputs.json"
_INPUTS_BYTES_MAX = 1 << 16
# torch stores weights as they are and deflates source code, which shrinks to a fifth; a bomb shrinks to a thousandth.
_EXPANSION_MAX = 20
_DTYPES = ("float32", "int64", "int32", "int8", "uint8", "bool")
# torch has one thread pool, so the worker drops every loaded model before another number of threads is asked for.
SHARES_THREADS = True


def prepare() -> None:
    """Import the library.

    Raises:
        AgentError: FAILED_PRECONDITION where it is missing.
    """
    _libraries()


def load(path: Path, *, threads: int) -> PyTorchMobileModel:
    """Load one file.

    Raises:
        AgentError: INVALID_ARGUMENT for a malformed file, FAILED_PRECONDITION where the library is missing.
    """
    inputs = _declared(path)
    torch, loader = _libraries()
    torch.set_num_threads(threads)
    try:
        module = loader(str(path))
    except (RuntimeError, ValueError, OSError, MemoryError) as error:
        raise refused_file("the lite interpreter", error, _reason(error)) from error
    return PyTorchMobileModel(module, inputs, torch)


class PyTorchMobileModel:
    """One loaded module.

    Args:
        module: torch's ``LiteScriptModule``.
        inputs: what the file says that it takes.
        torch: the module, imported by the caller because it takes seconds.
    """

    def __init__(self, module: Any, inputs: tuple[InputSpec, ...], torch: Any) -> None:
        self._module = module
        self._torch = torch
        self.inputs = inputs
        # The format declares neither, and the archive's account is of inputs alone.
        self.outputs = None
        self.batch_limit = None
        self._batcher = Batcher(native=1)

    def run(self, inputs: Sequence[Array]) -> tuple[list[Array], int]:
        """Feed one batch of any size."""
        return self._batcher.run(self._run_once, inputs)

    def _run_once(self, inputs: Sequence[Array]) -> tuple[list[Array], int]:
        start = time.perf_counter_ns()
        tensors = [self._torch.from_numpy(values) for values in inputs]
        try:
            with self._torch.no_grad():
                answer = self._module(*tensors)
        except (RuntimeError, OSError, MemoryError) as error:
            raise refused_batch(error, _reason(error)) from error
        kernel_ns = time.perf_counter_ns() - start
        outputs = answer if isinstance(answer, (tuple, list)) else (answer,)
        return [_array(output, self._torch) for output in outputs], kernel_ns


def _libraries() -> tuple[Any, Any]:
    # QNNPACK warns at every call of a dynamic kernel about a flag that it ignores.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    try:
        import torch
        from torch.jit.mobile import _load_for_lite_interpreter
    except ImportError as error:
        raise AgentError(
            "FAILED_PRECONDITION", 'this agent has no torch; install "edgeleak[pytorch-mobile]" where the agent runs'
        ) from error
    if _ENGINE in torch.backends.quantized.supported_engines:
        torch.backends.quantized.engine = _ENGINE
    return torch, _load_for_lite_interpreter


def _declared(path: Path) -> tuple[InputSpec, ...]:
    """The inputs that the archive declares."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            # The interpreter reads whole members into memory.
            claimed, size = sum(member.file_size for member in members), path.stat().st_size
            if claimed > _EXPANSION_MAX * size:
                raise AgentError("INVALID_ARGUMENT", f"the archive of {size} bytes would unpack to {claimed}")
            root = members[0].filename.partition("/")[0] if members else ""
            member = archive.getinfo(f"{root}/{_INPUTS}")
            if member.file_size > _INPUTS_BYTES_MAX:
                raise AgentError("INVALID_ARGUMENT", f"{_INPUTS} of the archive is over {_INPUTS_BYTES_MAX} bytes")
            declaration = json.loads(archive.read(member))
    except KeyError as error:
        message = f"the archive has no {_INPUTS}, which says what the model takes; export the model with edgeleak"
        raise AgentError("INVALID_ARGUMENT", message) from error
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, RecursionError) as error:
        raise AgentError("INVALID_ARGUMENT", f"the archive is damaged: {_reason(error)}") from error
    try:
        inputs = tuple(_input_spec(item) for item in declaration["inputs"])
    except (KeyError, TypeError, ValueError) as error:
        raise AgentError("INVALID_ARGUMENT", f"{_INPUTS} of the archive: {_reason(error)}") from error
    if not inputs:
        raise AgentError("INVALID_ARGUMENT", f"{_INPUTS} of the archive names no inputs")
    return inputs


def _input_spec(item: Any) -> InputSpec:
    if item["dtype"] not in _DTYPES:
        raise ValueError(f"dtype {item['dtype']!r} is none of {', '.join(_DTYPES)}")
    shape = tuple(item["shape"])
    if not all(type(axis) is int and axis > 0 for axis in shape):
        raise ValueError(f"shape {item['shape']!r} is not one of whole numbers above 0")
    return InputSpec((str(item["name"]),), np.dtype(item["dtype"]), shape)


def _array(output: Any, torch: Any) -> Array:
    if not isinstance(output, torch.Tensor):
        raise AgentError("INVALID_ARGUMENT", "an output of the model is not a tensor")
    if output.is_quantized:
        output = output.dequantize()
    values: Array = output.to(torch.float32).numpy() if output.is_floating_point() else output.numpy()
    return values


def _reason(error: Exception) -> str:
    # After this come the interpreter's own source lines.
    return " ".join(str(error).partition("Debug info for handle")[0].split()) or type(error).__name__
