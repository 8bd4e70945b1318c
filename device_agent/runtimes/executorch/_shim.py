"""ExecuTorch by the shim over its C++ libraries: ctypes, and no torch in the worker."""

from __future__ import annotations

import ctypes
import functools
import time
from collections.abc import Sequence
from ctypes import POINTER, byref, c_char_p, c_int32, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from pathlib import Path

import numpy as np

from device_agent.errors import AgentError
from device_agent.runtimes._batching import Batcher
from device_agent.runtimes._model import Array, InputSpec, TensorSpec
from device_agent.runtimes._refusals import refused_batch, refused_file
from device_agent.runtimes.executorch._place import ABI, find
from device_agent.runtimes.executorch._scalars import SCALAR_TYPES

__all__ = ["SHARES_THREADS", "load", "prepare"]

SHARES_THREADS = True

_AXES_MAX = 16
_REASON_BYTES = 512
# What the functions return, as in shim.cpp.
_OK, _NO_MEMORY, _NOT_TENSOR = 0, 2, 3
_INPUTS, _OUTPUTS = 0, 1


class _Tensor(ctypes.Structure):
    """EdgeleakTensor of shim.cpp."""

    _fields_ = (
        ("data", c_void_p),
        ("bytes", c_uint64),
        ("dtype", c_int32),
        ("axes", c_int32),
        ("sizes", c_int32 * _AXES_MAX),
        ("order", c_uint8 * _AXES_MAX),
    )


_REASON = (c_char_p, c_size_t)
_FUNCTIONS = {
    "edgeleak_begin": (None, ()),
    "edgeleak_set_threads": (c_int32, (c_uint32, *_REASON)),
    "edgeleak_load": (c_int32, (c_char_p, POINTER(c_void_p), *_REASON)),
    "edgeleak_unload": (None, (c_void_p,)),
    "edgeleak_count": (c_size_t, (c_void_p, c_int32)),
    "edgeleak_describe": (c_int32, (c_void_p, c_int32, c_size_t, POINTER(_Tensor), *_REASON)),
    "edgeleak_run": (c_int32, (c_void_p, POINTER(_Tensor), c_size_t, POINTER(_Tensor), c_size_t, *_REASON)),
    "edgeleak_profile": (
        c_int32,
        (c_void_p, POINTER(_Tensor), c_size_t, POINTER(c_void_p), POINTER(c_size_t), *_REASON),
    ),
    "edgeleak_free": (None, (c_void_p,)),
}


def prepare() -> None:
    """Load the shim and the libraries that it is linked to.

    Raises:
        AgentError: FAILED_PRECONDITION where that fails.
    """
    _library()


def load(path: Path, *, threads: int) -> ShimModel:
    """Load one program's ``forward``.

    Raises:
        AgentError: INVALID_ARGUMENT for a malformed file, FAILED_PRECONDITION where the shim cannot be loaded.
    """
    library = _library()
    program = c_void_p()
    try:
        library.call("edgeleak_set_threads", threads)
        library.call("edgeleak_load", str(path).encode(), byref(program))
    except (ShimError, MemoryError) as error:
        # Where the file lies on this device is nobody else's business.
        reason = " ".join(str(error).replace(str(path), "of the program").split())
        raise refused_file("the ExecuTorch loader", error, reason) from error
    return ShimModel(library, program)


class ShimError(RuntimeError):
    """What a function of the shim refused, with its status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class ShimLibrary:
    """The loaded shim.

    Args:
        path: of the library.

    Raises:
        OSError: it cannot be loaded.
        AttributeError: it is no shim.
    """

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))
        self._library.edgeleak_abi.restype = c_uint32
        self._abi = int(self._library.edgeleak_abi())
        if self._abi != ABI:
            return
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(self._library, name)
            function.restype, function.argtypes = result, arguments
        self._library.edgeleak_begin()
        self._reason = ctypes.create_string_buffer(_REASON_BYTES)

    @property
    def fits(self) -> bool:
        """Whether it was compiled from the same functions and structures."""
        return self._abi == ABI

    def call(self, name: str, *arguments: object) -> None:
        """Call a function that can fail.

        Raises:
            MemoryError: it got no memory.
            ShimError: it refused.
        """
        self._reason.value = b""
        status = int(getattr(self._library, name)(*arguments, self._reason, _REASON_BYTES))
        if status == _OK:
            return
        # Names in it come from the file.
        reason = self._reason.value.decode(errors="replace")
        if status == _NO_MEMORY:
            raise MemoryError(reason)
        raise ShimError(status, reason)

    def count(self, program: c_void_p, side: int) -> int:
        """Number of inputs or outputs."""
        return int(self._library.edgeleak_count(program, side))

    def unload(self, program: c_void_p) -> None:
        """End a program."""
        self._library.edgeleak_unload(program)

    def free(self, memory: c_void_p) -> None:
        """Give back memory that a function has handed over."""
        self._library.edgeleak_free(memory)


class ShimModel:
    """One loaded method.

    Args:
        library: the shim.
        program: its handle of the program.
    """

    def __init__(self, library: ShimLibrary, program: c_void_p) -> None:
        self._library = library
        self._program = program
        self._orders: list[tuple[int, ...]] = []
        self._fed = (_Tensor * library.count(program, _INPUTS))()
        self._answers = (_Tensor * library.count(program, _OUTPUTS))()
        self.inputs = tuple(self._input_spec(position) for position in range(len(self._fed)))
        # The bound of a dynamic batch axis, or the size of a static one: the file does not say which.
        bound = int(self._describe(_INPUTS, 0).sizes[0]) if self.inputs else 1
        self.outputs = self._output_specs()
        self.batch_limit = bound if self.inputs else None
        self._batcher = Batcher(native=bound, limit=bound)

    def __del__(self) -> None:
        self._library.unload(self._program)

    def run(self, inputs: Sequence[Array]) -> tuple[list[Array], int]:
        """Feed one batch of any size."""
        outputs, kernel_ns = self._batcher.run(self._run_once, inputs)
        return [y.astype(np.float32, copy=False) if y.dtype.kind == "f" else y for y in outputs], kernel_ns

    def profile(self, inputs: Sequence[Array]) -> bytes:
        """Where the time of one run goes: an ETDump of a whole batch, or of the largest piece that the file takes.

        Raises:
            AgentError: the runtime refused.
        """
        dumps: list[bytes] = []

        def once(piece: Sequence[Array]) -> tuple[list[Array], int]:
            answer = self._run_once(piece)
            if not dumps:
                dumps.append(self._profile_once(piece))
            return answer

        self._batcher.run(once, inputs)
        return dumps[0]

    def _run_once(self, inputs: Sequence[Array]) -> tuple[list[Array], int]:
        held = self._feed(inputs)
        fed, answers = self._fed, self._answers
        # The shim sets the inputs; what went before was Python's.
        start = time.perf_counter_ns()
        try:
            self._library.call("edgeleak_run", self._program, fed, len(fed), answers, len(answers))
        except (ShimError, MemoryError) as error:
            if isinstance(error, ShimError) and error.status == _NOT_TENSOR:
                raise AgentError("INVALID_ARGUMENT", str(error)) from error
            raise refused_batch(error, " ".join(str(error).split())) from error
        outputs = [_array(answer) for answer in answers]
        kernel_ns = time.perf_counter_ns() - start
        del held
        return outputs, kernel_ns

    def _profile_once(self, inputs: Sequence[Array]) -> bytes:
        held = self._feed(inputs)
        dump, size = c_void_p(), c_size_t()
        try:
            self._library.call("edgeleak_profile", self._program, self._fed, len(self._fed), byref(dump), byref(size))
        except (ShimError, MemoryError) as error:
            raise refused_batch(error, " ".join(str(error).split())) from error
        del held
        try:
            return ctypes.string_at(dump, size.value)
        finally:
            self._library.free(dump)

    def _feed(self, inputs: Sequence[Array]) -> list[Array]:
        """Point the structures at the inputs; what is returned has to live as long as they are used."""
        held = []
        for tensor, values, order in zip(self._fed, inputs, self._orders, strict=True):
            # In the order of axes that the file declares, which is most often the array's own.
            laid = np.ascontiguousarray(values.transpose(order))
            held.append(laid)
            tensor.data, tensor.bytes, tensor.axes = laid.ctypes.data, laid.nbytes, values.ndim
            tensor.sizes[: values.ndim] = values.shape
        return held

    def _input_spec(self, position: int) -> InputSpec:
        try:
            tensor = self._describe(_INPUTS, position)
        except ShimError as error:
            raise AgentError("INVALID_ARGUMENT", f"input {position} of the program is not a tensor") from error
        dtype = SCALAR_TYPES.get(tensor.dtype)
        if dtype is None or not tensor.axes:
            raise AgentError(
                "INVALID_ARGUMENT", f"input {position} of the program has a type or shape that cannot be fed"
            )
        order = tuple(tensor.order[: tensor.axes])
        if sorted(order) != list(range(tensor.axes)):
            raise AgentError("INVALID_ARGUMENT", f"input {position} of the program has an impossible order of axes")
        self._orders.append(order)
        self._fed[position].dtype = tensor.dtype
        self._fed[position].order = tensor.order
        return InputSpec((), np.dtype(dtype), tuple(tensor.sizes[1 : tensor.axes]))

    def _output_specs(self) -> tuple[TensorSpec, ...] | None:
        """The outputs; None where one is not a tensor of records."""
        specs = []
        for position in range(len(self._answers)):
            try:
                tensor = self._describe(_OUTPUTS, position)
            except ShimError:
                return None
            dtype = SCALAR_TYPES.get(tensor.dtype)
            if dtype is None or not tensor.axes:
                return None
            specs.append(TensorSpec((), np.dtype(dtype), tuple(tensor.sizes[1 : tensor.axes])))
        return tuple(specs)

    def _describe(self, side: int, position: int) -> _Tensor:
        tensor = _Tensor()
        self._library.call("edgeleak_describe", self._program, side, position, byref(tensor))
        return tensor


@functools.cache
def _loaded(path: Path) -> ShimLibrary:
    return ShimLibrary(path)


def _library() -> ShimLibrary:
    shim = find()
    if shim is None:
        raise AgentError("FAILED_PRECONDITION", "this agent has no shim of ExecuTorch")
    try:
        library = _loaded(shim.path)
    except (OSError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise AgentError("FAILED_PRECONDITION", f"the shim of ExecuTorch cannot be loaded: {reason}") from error
    if not library.fits:
        raise AgentError(
            "FAILED_PRECONDITION",
            f"the shim of ExecuTorch {shim.path} is of another version of edgeleak; "
            "run python -m device_agent.runtimes.executorch.build",
        )
    return library


def _array(tensor: _Tensor) -> Array:
    """A copy: the next run overwrites the output's memory."""
    dtype = SCALAR_TYPES.get(tensor.dtype)
    if dtype is None:
        raise AgentError("INVALID_ARGUMENT", "an output of the program is of a type that has no name here")
    axes = tensor.axes
    sizes, order = tensor.sizes[:axes], tensor.order[:axes]
    laid: Array = np.frombuffer(ctypes.string_at(tensor.data, tensor.bytes) if tensor.bytes else b"", dtype)
    if order == list(range(axes)):
        return laid.reshape(sizes)
    return np.ascontiguousarray(laid.reshape([sizes[axis] for axis in order]).transpose(np.argsort(order)))
