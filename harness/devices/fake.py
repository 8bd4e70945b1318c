"""A device without hardware: a function answers in the models' place, for tests of what is built on devices."""

# The arguments are the protocol's; a fake needs few of them.
# ruff: noqa: ARG002

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from harness.devices._types import BatchAnswer, BenchmarkResult, DeviceInfo, Telemetry
from harness.errors import DeviceError
from harness.types import Artifact, Records

__all__ = ["FakeDevice"]

_KERNEL_NS = 1_000


class FakeDevice:
    """A `Device` whose artifacts answer with ``answers(artifact, records)``, float ``[b, C]``.

    Args:
        answers: called once per artifact and batch.
        url: how it names itself.
    """

    def __init__(self, answers: Callable[[Artifact, Records], NDArray[np.generic]], *, url: str = "fake") -> None:
        self._answers = answers
        self.url = url
        self.deployed: dict[str, Artifact] = {}

    def info(self) -> DeviceInfo:
        runtimes = {"litert": "fake", "executorch": "fake"}
        return DeviceInfo(
            self.url, "fake", os.getpid(), "fake", "fake", "fake", "fake", 1, 0, runtimes, True, Telemetry(0), 0, 0
        )

    def deploy(self, artifact: Artifact) -> None:
        self.deployed[artifact.key] = artifact

    def invoke(
        self, artifacts: Sequence[Artifact], batches: Iterable[tuple[int, Records]], *, threads: int = 1
    ) -> Iterator[BatchAnswer]:
        for artifact in artifacts:
            if artifact.key not in self.deployed:
                raise DeviceError(f"{artifact.key} is not deployed", device=self.url)
        for number, records in batches:
            outputs = {a.key: np.asarray(self._answers(a, records), dtype=np.float32) for a in artifacts}
            yield BatchAnswer(number, outputs, dict.fromkeys(outputs, _KERNEL_NS))

    def benchmark(
        self,
        artifact: Artifact,
        *,
        warmup: int = 10,
        runs: int = 100,
        batch_size: int = 1,
        threads: int = 1,
        cooldown_s: float = 0.0,
    ) -> BenchmarkResult:
        return BenchmarkResult(np.full(runs, _KERNEL_NS, dtype=np.int64), Telemetry(0), Telemetry(1))

    def purge(self, artifacts: Sequence[Artifact]) -> None:
        for artifact in artifacts:
            self.deployed.pop(artifact.key, None)

    def close(self) -> None:
        self.deployed.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
