"""What every runtime looks like from the worker: load a file, run a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from device_agent.errors import AgentError

__all__ = ["Array", "InputSpec", "Library", "Model", "Profiled", "Quantization", "TensorSpec", "arrange"]

Array = NDArray[np.generic]


@dataclass(frozen=True)
class Quantization:
    """The artifact's own affine map between real numbers and the integers of an input or output.

    Args:
        scale: real step of one integer.
        zero_point: the integer that means zero.
        dtype: the integers' type.
    """

    scale: float
    zero_point: int
    dtype: np.dtype[np.generic]

    def quantize(self, values: Array) -> Array:
        """Real numbers to integers; ties go away from zero, as the runtimes' own quantize kernels round."""
        scaled = values.astype(np.float64) / self.scale
        rounded = np.copysign(np.floor(np.abs(scaled) + 0.5), scaled) + self.zero_point
        limits = np.iinfo(self.dtype)  # type: ignore[type-var]
        integers: Array = np.clip(rounded, limits.min, limits.max).astype(self.dtype)
        return integers

    def dequantize(self, values: Array) -> Array:
        """Integers to float32."""
        return ((values.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)).astype(np.float32)


@dataclass(frozen=True)
class TensorSpec:
    """One input or output as the file declares it.

    Args:
        names: every name by which the file knows it, the author's first; empty where the format has none.
        dtype: what the kernel takes or gives.
        shape: of one record; None marks an axis of any length.
        quantization: the affine map where the kernel computes in quantized integers.
    """

    names: tuple[str, ...]
    dtype: np.dtype[np.generic]
    shape: tuple[int | None, ...]
    quantization: Quantization | None = None


@dataclass(frozen=True)
class InputSpec(TensorSpec):
    """One input, and how it is fed."""

    def prepare(self, values: Array, position: int) -> Array:
        """The array that the kernel takes, from what the model's author would feed.

        Raises:
            AgentError: INVALID_ARGUMENT where shape or dtype cannot be fed.
        """
        fits = values.ndim == len(self.shape) + 1 and all(
            want in (None, got) for want, got in zip(self.shape, values.shape[1:], strict=True)
        )
        if not fits:
            raise self._refusal(values, position)
        if values.dtype == self.dtype:
            return np.ascontiguousarray(values)
        if values.dtype == np.float32 and self.quantization is not None:
            return np.ascontiguousarray(self.quantization.quantize(values))
        return np.ascontiguousarray(self._cast(values, position))

    def _cast(self, values: Array, position: int) -> Array:
        kinds = values.dtype.kind + self.dtype.kind
        if kinds == "ff" and self.quantization is None:
            return values.astype(self.dtype)
        if kinds == "ib" and np.isin(values, (0, 1)).all():
            return values.astype(self.dtype)
        if kinds in ("ii", "iu", "ui", "uu") and self.quantization is None:
            limits = np.iinfo(self.dtype)  # type: ignore[type-var]
            if values.size == 0 or (values.min() >= limits.min and values.max() <= limits.max):
                return values.astype(self.dtype)
        raise self._refusal(values, position)

    def _refusal(self, values: Array, position: int) -> AgentError:
        name = self.names[0] if self.names else str(position)
        axes = ", ".join("any" if axis is None else str(axis) for axis in ("n", *self.shape))
        accepted = "float32" if self.quantization is not None else self.dtype.name
        got = f"{values.dtype.name} {list(values.shape)}"
        return AgentError("INVALID_ARGUMENT", f"input {name!r}: expected {accepted} [{axes}], got {got}")


class Model(Protocol):
    """One loaded artifact."""

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """The inputs in the file's order."""
        ...

    @property
    def outputs(self) -> tuple[TensorSpec, ...] | None:
        """The outputs in the file's order; None where the format does not declare them."""
        ...

    @property
    def batch_limit(self) -> int | None:
        """Largest batch that the file itself takes; None where it has no limit or does not say."""
        ...

    def run(self, inputs: Sequence[Array]) -> tuple[list[Array], int]:
        """Feed one batch: outputs (quantized ones as float32) and nanoseconds inside the runtime.

        Args:
            inputs: one prepared array per input, in the file's order, of any batch size.

        Raises:
            AgentError: the runtime refused.
        """
        ...


@runtime_checkable
class Profiled(Protocol):
    """A model whose runtime can record where the time goes."""

    def profile(self, inputs: Sequence[Array]) -> bytes:
        """Run once more, and give what the runtime recorded, in its own format.

        Args:
            inputs: as in `Model.run`; of a batch that the file takes in pieces, the first piece is recorded.

        Raises:
            AgentError: the runtime refused.
        """
        ...


class Library(Protocol):
    """One library that executes artifacts: the face of each module of a runtime.

    Args:
        SHARES_THREADS: all loaded models use one thread pool: another number of threads means to load them anew.
    """

    SHARES_THREADS: bool

    def prepare(self) -> None:
        """Import the library, which the first load does otherwise.

        Raises:
            AgentError: FAILED_PRECONDITION where it is missing.
        """
        ...

    def load(self, path: Path, *, threads: int) -> Model:
        """Load one file.

        Raises:
            AgentError: INVALID_ARGUMENT for a malformed file, FAILED_PRECONDITION where the library is missing.
        """
        ...


def arrange(specs: Sequence[InputSpec], named: Sequence[tuple[str, Array]]) -> list[Array]:
    """Put the tensors of a batch in the file's order, converted to what the kernel takes.

    By name where the file knows every name; otherwise in the order sent.

    Raises:
        AgentError: INVALID_ARGUMENT naming expected and got.
    """
    if len(named) != len(specs):
        raise AgentError("INVALID_ARGUMENT", f"the model takes {len(specs)} inputs, got {len(named)}")
    if len({values.shape[:1] for _, values in named}) > 1:
        raise AgentError("INVALID_ARGUMENT", "the inputs differ in their number of records")
    if any(values.ndim == 0 or len(values) == 0 for _, values in named):
        raise AgentError("INVALID_ARGUMENT", "the batch holds no records")
    positions = [next((p for p, spec in enumerate(specs) if name in spec.names), None) for name, _ in named]
    if None in positions or len(set(positions)) != len(positions):
        positions = list(range(len(specs)))
    arranged = dict(zip(positions, (values for _, values in named), strict=True))
    return [spec.prepare(arranged[position], position) for position, spec in enumerate(specs)]
