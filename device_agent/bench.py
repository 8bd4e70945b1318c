"""The agent's side of a benchmark: its bounds, the pause before it, and the board's state between slices of runs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import grpc

from device_agent import telemetry
from device_agent.blobs import Blob
from device_agent.errors import AgentError
from device_agent.supervisor import Supervisor, named, request_header
from protos.edgeleak.v1 import agent_pb2

__all__ = ["answers", "check"]

# Beyond these, a request is a mistake and not a measurement.
_RUNS_MAX = 1_000_000
_BATCH_MAX = 65_536
_HOUR_NS = 3600 * 10**9
# The worker times so long at a stretch. Between two slices nothing is timed: the board's state is read then, and the
# samples travel.
_SLICE_NS = 10**9
# A pause disturbs the caches: a run that nobody counts opens a slice, unless runs are so long that they do not notice.
_SETTLE_BELOW_NS = 10**8
# A host that hears nothing takes the device for lost; a single run may take longer than its patience.
_SILENCE_NS = 10 * 10**9
# How often a pause looks whether the caller is still there.
_PAUSE_SLICE_SECONDS = 0.2


def check(request: agent_pb2.BenchmarkRequest) -> None:
    """Refuse what is a mistake and not a measurement.

    Raises:
        AgentError: INVALID_ARGUMENT naming the field and its range.
    """
    for name, least, most in (
        ("runs", 1, _RUNS_MAX),
        ("warmup_runs", 0, _RUNS_MAX),
        ("batch_size", 1, _BATCH_MAX),
        ("cooldown_ns", 0, _HOUR_NS),
        ("warmup_ns", 0, _HOUR_NS),
        ("duration_ns", 0, _HOUR_NS),
    ):
        value = getattr(request, name)
        if not least <= value <= most:
            raise AgentError("INVALID_ARGUMENT", f"{name} is {value}, outside {least}..{most}")


def answers(
    request: agent_pb2.BenchmarkRequest,
    blob: Blob,
    worker: Supervisor,
    context: grpc.ServicerContext,
    *,
    clock: Callable[[], int] = time.monotonic_ns,
) -> Iterator[agent_pb2.BenchmarkResponse]:
    """What a benchmark of a newly loaded file sends: telemetry, a cold start if wanted, samples, and telemetry between.

    Args:
        request: that `check` has accepted.
        blob: the file to time.
        worker: what runs it. Others' batches may run between two slices unless the caller holds the lease.
        context: says whether the caller is still there.
        clock: nanoseconds that only grow.

    Raises:
        AgentError: what the worker refused; FAILED_PRECONDITION where the runs do not fit into an hour.
    """
    run = _Benchmark(request, blob, worker, context, clock)
    _pause(request.cooldown_ns / 1e9, context)
    if request.cold:
        worker.refresh([blob.runtime])
    else:
        run.unload()
    run.reset_peak()
    yield run.state()
    if request.cold:
        yield from run.cold_start()
    for part in run.slices(request.warmup_runs, request.warmup_ns):
        # A long warm-up shows signs of life; its samples are nobody's.
        if part is None:
            yield _LIFE
    for part in run.slices(request.runs, request.duration_ns, counted=True):
        yield _LIFE if part is None else part
    yield run.state()


_LIFE = agent_pb2.BenchmarkResponse(samples=agent_pb2.BenchmarkSamples())


class _Benchmark:
    """One benchmark in progress; arguments as in `answers`."""

    def __init__(
        self,
        request: agent_pb2.BenchmarkRequest,
        blob: Blob,
        worker: Supervisor,
        context: grpc.ServicerContext,
        clock: Callable[[], int],
    ) -> None:
        self._request = request
        self._blob = blob
        self._worker = worker
        self._context = context
        self._clock = clock
        self._heard = clock()
        self._peak_was_reset = False
        # Mean time of a run so far.
        self._pace_ns: float | None = None

    def unload(self) -> None:
        """Have the file loaded anew: where a model happens to lie in memory makes it faster or slower by a per cent."""
        header = request_header("unload", [self._blob])
        self._worker.call(header, what=named([self._blob]), wanted=self._context.is_active)

    def reset_peak(self) -> None:
        """Let the worker's peak of memory begin here; where the kernel does not, it is not reported."""
        self._peak_was_reset = telemetry.reset_peak(self._worker.pid)

    def state(self) -> agent_pb2.BenchmarkResponse:
        """The board's state now."""
        state = telemetry.read(self._worker.pid)
        if not self._peak_was_reset:
            state.ClearField("worker_peak_bytes")
        return agent_pb2.BenchmarkResponse(telemetry=state)

    def cold_start(self) -> Iterator[agent_pb2.BenchmarkResponse]:
        """Load and first inference, and signs of life until then."""
        for part in self._stream(cold=1):
            yield _LIFE if part is None else agent_pb2.BenchmarkResponse(cold_start=part.cold_start)

    def slices(
        self, runs: int, duration_ns: int, *, counted: bool = False
    ) -> Iterator[agent_pb2.BenchmarkResponse | None]:
        """Samples of at least so many runs that take at least so long in all; None as a sign of life.

        Args:
            runs: at least.
            duration_ns: at least, in the runtime.
            counted: telemetry stands between the samples.
        """
        started, done, spent = self._clock(), 0, 0
        while done < _RUNS_MAX and (done < runs or spent < duration_ns):
            if self._clock() - started > _HOUR_NS:
                raise AgentError(
                    "FAILED_PRECONDITION", f"only {done} of {runs} runs took place within an hour; ask for fewer"
                )
            if done and counted:
                yield self.state()
            settle = counted and self._pace_ns is not None and self._pace_ns < _SETTLE_BELOW_NS
            left = {"runs": max(0, runs - done), "duration_ns": max(0, duration_ns - spent)}
            before = done
            for part in self._stream(**left, runs_max=_RUNS_MAX - done, settle=int(settle)):
                if part is None:
                    yield None
                    continue
                done, spent = done + len(part.samples.kernel_time_ns), spent + sum(part.samples.kernel_time_ns)
                # Nothing else of it: a model may have taken over the worker, and telemetry is the agent's to give.
                yield agent_pb2.BenchmarkResponse(samples=part.samples)
            if done == before:
                raise AgentError("INTERNAL", f"{named([self._blob])}: the worker timed nothing")
            self._pace_ns = spent / done

    def _stream(self, **options: int) -> Iterator[agent_pb2.BenchmarkResponse | None]:
        """The parts that the worker sends; None after a silence."""
        request = self._request
        options = {"cold": 0, "settle": 0, "slice_ns": _SLICE_NS, "batch_size": request.batch_size} | options
        header = request_header("benchmark", [self._blob], threads=request.threads, **options)
        replies = self._worker.stream(header, what=named([self._blob]), wanted=self._context.is_active)
        with contextlib.closing(replies):
            for reply in replies:
                if reply is not None:
                    self._heard = self._clock()
                    yield agent_pb2.BenchmarkResponse.FromString(reply)
                elif self._clock() - self._heard > _SILENCE_NS:
                    self._heard = self._clock()
                    yield None


def _pause(seconds: float, context: grpc.ServicerContext) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if not context.is_active():
            raise AgentError("CANCELLED", "the caller left during the cooldown")
        time.sleep(min(left, _PAUSE_SLICE_SECONDS))
