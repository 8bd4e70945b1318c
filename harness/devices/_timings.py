"""What a benchmark's stream of answers adds up to, checked as it comes: an agent may send anything, and without end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.devices._descriptions import telemetry
from harness.devices._info import Telemetry
from harness.devices._types import BenchmarkResult, ColdStart
from protos.edgeleak.v1 import agent_pb2

__all__ = ["Timings"]

# An agent ends a benchmark at so many runs, and reads the board's state about once a second for an hour at most.
_SAMPLES_MAX = 1_000_000
_STATES_MAX = 10_000


class Timings:
    """Collects the answers to one request.

    Args:
        request: says how many runs are due, and whether a cold start or a profile is.
    """

    def __init__(self, request: agent_pb2.BenchmarkRequest) -> None:
        self._request = request
        self._groups: list[NDArray[np.int64]] = []
        self._count = 0
        self._states: list[Telemetry] = []
        self._cold_start: ColdStart | None = None
        self._profile: bytes | None = None

    def add(self, response: agent_pb2.BenchmarkResponse) -> None:
        """Take one answer; those that say only that the agent lives add nothing.

        Raises:
            ValueError: it is more than was asked for, or impossible.
        """
        part = response.WhichOneof("part")
        if part == "samples":
            self._add_samples(np.asarray(response.samples.kernel_time_ns, dtype=np.int64))
        elif part == "telemetry":
            self._states.append(telemetry(response.telemetry))
            if len(self._states) > _STATES_MAX:
                raise ValueError(f"the agent sends more than {_STATES_MAX} states of its board")
        elif part == "cold_start":
            self._set_cold_start(response.cold_start)
        elif part == "profile":
            if not self._request.profile or self._profile is not None:
                raise ValueError("a profile came that was not asked for")
            self._profile = response.profile

    def result(self) -> BenchmarkResult:
        """All of it.

        Raises:
            ValueError: something is missing.
        """
        runs = self._request.runs
        if self._count < runs or (self._count > runs and not self._request.duration_ns):
            raise ValueError(f"{self._count} samples of {runs} runs came")
        if len(self._states) < 2:
            raise ValueError("the state of the board did not come twice")
        if self._request.cold and self._cold_start is None:
            raise ValueError("no cold start came")
        if self._request.profile and not self._profile:
            raise ValueError("no profile came")
        before, *during, after = self._states
        return BenchmarkResult(
            np.concatenate(self._groups), before, after, tuple(during), self._cold_start, self._profile
        )

    def _add_samples(self, samples: NDArray[np.int64]) -> None:
        if not len(samples):
            return
        self._count += len(samples)
        if self._count > _SAMPLES_MAX:
            raise ValueError(f"the agent sends more than {_SAMPLES_MAX} samples")
        if samples.min() < 0:
            raise ValueError(f"a run took {samples.min()} ns")
        self._groups.append(samples)

    def _set_cold_start(self, message: agent_pb2.ColdStart) -> None:
        if not self._request.cold or self._cold_start is not None:
            raise ValueError("a cold start came that was not asked for")
        if min(message.load_ns, message.first_inference_ns) < 0:
            raise ValueError("a cold start takes less than no time")
        self._cold_start = ColdStart(message.load_ns, message.first_inference_ns)
