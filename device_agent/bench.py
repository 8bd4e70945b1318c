"""The agent's side of a benchmark: its bounds, the pause before it, and the board's state between slices of runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

import grpc
from google.protobuf.message import DecodeError

from device_agent import telemetry
from device_agent.blobs import Blob
from device_agent.errors import AgentError
from device_agent.requests import named, request_header, unload
from device_agent.runtimes import profiles
from device_agent.supervisor import BEAT_SECONDS, Supervisor
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
_NO_PROFILE = (
    "only ExecuTorch records profiles, where the agent runs it without torch; compile its shim where the agent runs: "
    "python -m device_agent.runtimes.executorch.build"
)
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
    """What a benchmark of a newly loaded file sends: telemetry, samples, telemetry between, and what else is wanted.

    Args:
        request: that `check` has accepted.
        blob: the file to time.
        worker: what runs it. Others' batches may run between two slices unless the caller holds the lease.
        context: says whether the caller is still there.
        clock: nanoseconds that only grow.

    Raises:
        AgentError: what the worker refused; FAILED_PRECONDITION where the runs do not fit into an hour, or a profile is
            wanted that the runtime does not record here.
    """
    if request.profile and not profiles(blob.runtime):
        raise AgentError("FAILED_PRECONDITION", f"{named([blob])}: {_NO_PROFILE}")
    run = _Benchmark(request, blob, worker, context, clock)
    _pause(request.cooldown_ns / 1e9, context)
    if request.cold:
        worker.refresh([blob.runtime])
    else:
        run.unload()
    run.reset_peak()
    yield run.state(ask=True)
    if request.cold:
        yield from run.cold_start()
    yield from run.slices(request.warmup_runs, request.warmup_ns)
    yield from run.slices(request.runs, request.duration_ns, counted=True)
    yield run.state(ask=True)
    if request.profile:
        # Last of all: it loads the file a second time, and what that takes is no part of what was measured.
        yield from run.profile()


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
        self._peak_was_reset = False
        # Mean time of a run so far.
        self._pace_ns: float | None = None

    def unload(self) -> None:
        """Have the file loaded anew: where a model happens to lie in memory makes it faster or slower by a per cent."""
        self._worker.call(unload(self._blob.sha256), what=named([self._blob]), wanted=self._context.is_active)

    def reset_peak(self) -> None:
        """Let the worker's peak of memory begin here; where the kernel does not, it is not reported."""
        self._peak_was_reset = telemetry.reset_peak(self._worker.pid)

    def state(self, *, ask: bool = False) -> agent_pb2.BenchmarkResponse:
        """The board's state now; `ask` as of `telemetry.read`, not between two slices."""
        state = telemetry.read(self._worker.pid, ask=ask)
        if not self._peak_was_reset:
            state.ClearField("worker_peak_bytes")
        return agent_pb2.BenchmarkResponse(telemetry=state)

    def cold_start(self) -> Iterator[agent_pb2.BenchmarkResponse]:
        """Load and first inference, and signs of life until then."""
        return self._parts(cold=1)

    def profile(self) -> Iterator[agent_pb2.BenchmarkResponse]:
        """What the runtime recorded of one more run, and signs of life until then."""
        return self._parts(profile=1)

    def slices(self, runs: int, duration_ns: int, *, counted: bool = False) -> Iterator[agent_pb2.BenchmarkResponse]:
        """Samples of at least so many runs that take at least so long in all, and signs of life.

        Args:
            runs: at least.
            duration_ns: at least, in the runtime.
            counted: the samples are sent, with telemetry between.
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
            for part in self._parts(**left, runs_max=_RUNS_MAX - done, settle=int(settle)):
                times = part.samples.kernel_time_ns
                done, spent = done + len(times), spent + sum(times)
                if counted or not times:
                    yield part
            if done == before:
                raise AgentError("INTERNAL", f"{named([self._blob])}: the worker timed nothing")
            self._pace_ns = spent / done

    def _parts(self, **options: int) -> Iterator[agent_pb2.BenchmarkResponse]:
        """What the worker sends, and signs of life between: a single run may take longer than a host's patience."""
        request, what = self._request, named([self._blob])
        options = {
            "cold": 0,
            "profile": 0,
            "settle": 0,
            "slice_ns": _SLICE_NS,
            "batch_size": request.batch_size,
        } | options
        header = request_header("benchmark", [self._blob], threads=request.threads, **options)
        ticket = self._worker.submit(header, what=what, wanted=self._context.is_active, alone=True)
        try:
            while (reply := self._worker.wait(ticket, BEAT_SECONDS)) != b"":
                if reply is not None:
                    yield _part(reply, options)
                elif self._worker.stands_in_line(ticket):
                    yield agent_pb2.BenchmarkResponse(waiting=agent_pb2.Waiting())
                else:
                    yield agent_pb2.BenchmarkResponse(samples=agent_pb2.BenchmarkSamples())
        finally:
            # A slice is short: where the caller has left, the worker ends it and keeps its models.
            self._worker.abandon(ticket)


def _part(reply: bytes, options: Mapping[str, int]) -> agent_pb2.BenchmarkResponse:
    """The one part that was asked for: a model may have taken over the worker, and telemetry is the agent's to give."""
    try:
        said = agent_pb2.BenchmarkResponse.FromString(reply)
    except DecodeError as error:
        raise AgentError("INTERNAL", f"the worker's timings are malformed: {error}") from error
    if options["profile"]:
        return agent_pb2.BenchmarkResponse(profile=said.profile)
    if options["cold"]:
        return agent_pb2.BenchmarkResponse(cold_start=said.cold_start)
    return agent_pb2.BenchmarkResponse(samples=said.samples)


def _pause(seconds: float, context: grpc.ServicerContext) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if not context.is_active():
            raise AgentError("CANCELLED", "the caller left during the cooldown")
        time.sleep(min(left, _PAUSE_SLICE_SECONDS))
