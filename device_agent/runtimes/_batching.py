"""Any batch size for files that take only one: pieces, and padding where the size is baked in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from device_agent.errors import AgentError
from device_agent.runtimes._model import Array

__all__ = ["BatchSizeError", "Batcher"]


RunOnce = Callable[[Sequence[Array]], tuple[list[Array], int]]


class BatchSizeError(Exception):
    """The runtime refused a batch, possibly because the file takes only the size that it was exported with."""


class Batcher:
    """Feeds batches of any size to one model.

    Exports often bake the batch size into a reshape. Such a file is fed in pieces of its own size, the last piece
    padded by its last record; the padding's answers are dropped. Kernel time is the sum over the pieces.

    Args:
        native: the batch size in the file.
        limit: largest batch that the file takes; None where it does not say.
    """

    def __init__(self, *, native: int, limit: int | None = None) -> None:
        self._native = native
        self._limit = limit
        self._baked = False

    def run(self, run_once: RunOnce, inputs: Sequence[Array]) -> tuple[list[Array], int]:
        """Outputs of the whole batch, and nanoseconds inside the runtime.

        Args:
            run_once: feeds one batch to the runtime; raises BatchSizeError where it refuses the size. Not kept: a model
                that its batcher refers to would stay in memory until the collector of cycles comes by.
            inputs: the batch.

        Raises:
            AgentError: INVALID_ARGUMENT where even the file's own batch size is refused.
        """
        n = len(inputs[0])
        if not self._baked:
            try:
                return self._direct(run_once, inputs, n)
            except BatchSizeError:
                self._baked = True
        try:
            return self._padded(run_once, inputs, n)
        except BatchSizeError as error:
            # The file may well take other sizes: this refusal had another cause.
            self._baked = False
            raise AgentError("INVALID_ARGUMENT", f"the runtime refused a batch of {n}: {error}") from error

    def _direct(self, run_once: RunOnce, inputs: Sequence[Array], n: int) -> tuple[list[Array], int]:
        if self._limit is None or n <= self._limit:
            return _checked(run_once, inputs)
        limit = self._limit
        return _join([_checked(run_once, [x[i : i + limit] for x in inputs]) for i in range(0, n, limit)])

    def _padded(self, run_once: RunOnce, inputs: Sequence[Array], n: int) -> tuple[list[Array], int]:
        size = self._native
        pieces = []
        for start in range(0, n, size):
            piece = [x[start : start + size] for x in inputs]
            records = len(piece[0])
            if records < size:
                piece = [np.concatenate([x, np.repeat(x[-1:], size - records, axis=0)]) for x in piece]
            outputs, kernel_ns = _checked(run_once, piece)
            pieces.append(([y[:records] for y in outputs], kernel_ns))
        return _join(pieces)


def _checked(run_once: RunOnce, inputs: Sequence[Array]) -> tuple[list[Array], int]:
    outputs, kernel_ns = run_once(inputs)
    n = len(inputs[0])
    for output in outputs:
        if output.ndim == 0 or len(output) != n:
            raise BatchSizeError(f"an output has shape {list(output.shape)} for {n} records")
    return outputs, kernel_ns


def _join(pieces: Sequence[tuple[list[Array], int]]) -> tuple[list[Array], int]:
    outputs = [np.concatenate(column) for column in zip(*(outputs for outputs, _ in pieces), strict=True)]
    return outputs, sum(kernel_ns for _, kernel_ns in pieces)
