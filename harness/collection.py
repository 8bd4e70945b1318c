"""Collection: artifacts x records x device -> confidence vectors, streamed, validated and resumable.

One stream of numbered batches feeds every artifact, so all variants see the same bytes. Where the answers go is the
caller's matter: anything that can tell how far it came and append will do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.devices import BatchAnswer, Device
from harness.results import Parity
from harness.types import Artifact, Records

__all__ = ["AnswerSink", "CollectionTimes", "collect", "parity"]

# Answers that wait to be written: a slow disk holds up the device, and memory stays bounded.
_WAITING_MAX = 64
_LOOK_SECONDS = 0.005

Progress = Callable[[str, int, int], None]


class AnswerSink(Protocol):
    """Where one artifact's answers go."""

    def batches_done(self) -> int:
        """Leading batches that are safely kept."""

    def rewind(self, number: int) -> None:
        """The next batch to come is `number`."""

    def append(self, number: int, answers: NDArray[np.float32]) -> None:
        """Keep one batch's answers, `[b, C]`."""


@dataclass(frozen=True)
class CollectionTimes:
    """How much of a collection's wall time was the runtimes' own.

    Args:
        records: record x artifact answers collected now (not the resumed ones).
        wall_ns: host wall time of the stream.
        kernel_ns: time inside the runtimes, summed.
    """

    records: int
    wall_ns: int
    kernel_ns: int


def collect(
    device: Device,
    artifacts: Sequence[Artifact],
    records: Records,
    sinks: Mapping[str, AnswerSink],
    *,
    batch_size: int,
    clock_ns: Callable[[], int],
    progress: Progress | None = None,
    label: str = "",
) -> CollectionTimes:
    """Ask every artifact about every record that it has not answered yet.

    Args:
        device: holds the artifacts already.
        artifacts: all are fed the same batches.
        records: the population, in its fixed order; batch boundaries depend on nothing else.
        sinks: artifact key -> where its answers go.
        batch_size: records per batch.
        clock_ns: a monotonic clock, injected.
        progress: called with (label, records done, records in all).
        label: what progress calls this population.

    Returns:
        What this call collected; zeros where everything had been answered before.

    Raises:
        DeviceError: the device is lost or answers nonsense; batches that were kept stay kept.
    """
    total = -(-len(records) // batch_size)
    first = min(sinks[a.key].batches_done() for a in artifacts)
    if first >= total:
        return CollectionTimes(0, 0, 0)
    for artifact in artifacts:
        sinks[artifact.key].rewind(first)
    began, kernel, answered = clock_ns(), 0, 0
    with _Writer({artifact.key: sinks[artifact.key] for artifact in artifacts}) as writer:
        for answer in device.invoke(artifacts, _batches(records, batch_size, first, total)):
            writer.put(answer)
            answered += sum(len(values) for values in answer.outputs.values())
            kernel += sum(answer.kernel_ns.values())
            if progress is not None:
                progress(label, min((answer.number + 1) * batch_size, len(records)), len(records))
    return CollectionTimes(answered, clock_ns() - began, kernel)


def parity(answers: NDArray[np.float32], reference: NDArray[np.float32], *, name: str = "") -> Parity:
    """Compare a device's answers with those of the reference of this name on the same records, both `[n, C]`."""
    return Parity(
        max_abs_difference=float(np.abs(answers.astype(np.float64) - reference).max()),
        flips=int((answers.argmax(axis=1) != reference.argmax(axis=1)).sum()),
        n=len(answers),
        reference=name,
    )


class _Writer:
    """Appends answers in a thread of its own: the device does not wait for the disk.

    Leaving the block waits until everything is written, also where the device was lost.

    Args:
        sinks: artifact key -> where its answers go.
    """

    def __init__(self, sinks: Mapping[str, AnswerSink]) -> None:
        self._sinks = sinks
        # Not a bounded queue: an interrupt inside its lock would leave the lock taken, and the end waiting for it.
        self._waiting: SimpleQueue[BatchAnswer | None] = SimpleQueue()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._write, name="answers", daemon=True)

    def __enter__(self) -> _Writer:
        self._thread.start()
        return self

    def put(self, answer: BatchAnswer) -> None:
        """Have an answer written; raises what went wrong with an earlier one."""
        if self._error is not None:
            raise self._error
        while self._waiting.qsize() >= _WAITING_MAX:
            time.sleep(_LOOK_SECONDS)
        self._waiting.put(answer)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._waiting.put(None)
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def _write(self) -> None:
        while (answer := self._waiting.get()) is not None:
            if self._error is not None:
                # What cannot be written is taken all the same, so that nobody waits for room.
                continue
            try:
                for key, sink in self._sinks.items():
                    sink.append(answer.number, answer.outputs[key])
            except BaseException as error:  # it belongs to the thread that asks
                self._error = error


def _batches(records: Records, size: int, first: int, total: int) -> Iterator[tuple[int, Records]]:
    for number in range(first, total):
        yield number, records.take(slice(number * size, (number + 1) * size))
