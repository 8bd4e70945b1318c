"""Collection: artifacts x records x device -> confidence vectors, streamed, validated and resumable.

One stream of numbered batches feeds every artifact, so all variants see the same bytes. Where the answers go is the
caller's matter: anything that can tell how far it came and append will do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.devices import Device
from harness.results import Parity
from harness.types import Artifact, Records

__all__ = ["AnswerSink", "CollectionTimes", "collect", "parity"]

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
    for answer in device.invoke(artifacts, _batches(records, batch_size, first, total)):
        for artifact in artifacts:
            values = answer.outputs[artifact.key]
            sinks[artifact.key].append(answer.number, values)
            answered += len(values)
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


def _batches(records: Records, size: int, first: int, total: int) -> Iterator[tuple[int, Records]]:
    for number in range(first, total):
        yield number, records.take(slice(number * size, (number + 1) * size))
