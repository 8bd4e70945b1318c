"""Timing: how many runs are made and counted, what comes between them, what is refused, and cold starts."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import grpc
import numpy as np
import psutil
import pytest

from device_agent import bench, telemetry, timing
from device_agent.blobs import Blob
from device_agent.errors import AgentError
from device_agent.runtimes import Array, InputSpec
from device_agent.supervisor import Supervisor
from protos.edgeleak.v1 import agent_pb2
from tests.device_agent.exported import Agent, Exported, status

SECOND = 10**9
BLOB = Blob("ab" * 32, "litert", Path("/nowhere/net.tflite"), 100)
NETS = ("net.tflite", "net.pte", "net.ptl", "net.onnx")


@dataclass
class Clock:
    """Time that passes only where a model runs."""

    now: int = 0

    def __call__(self) -> int:
        return self.now


@dataclass
class Timed:
    """A model whose runs take a given time each, the first one longer."""

    clock: Clock
    run_ns: int
    inputs: tuple[InputSpec, ...] = (InputSpec(("x",), np.dtype(np.float32), (8,)),)
    first_ns: int = 0
    outputs: None = None
    batch_limit: None = None
    runs: int = 0
    log: list[str] = field(default_factory=list)

    def run(self, inputs: Sequence[Array]) -> tuple[list[Array], int]:
        self.log.append("run")
        self.clock.now += self.run_ns + (self.first_ns if self.runs == 0 else 0)
        self.runs += 1
        return [], self.run_ns


class Worker:
    """Runs `timing.benchmark` in this thread, as the supervisor has its process do."""

    def __init__(self, model: Timed, *, silences: Sequence[str] = ()) -> None:
        self.model = model
        self.requests: list[dict[str, Any]] = []
        self.refreshed: list[list[str]] = []
        self.unloaded: list[str] = []
        self.pid = os.getpid()
        self.abandoned = 0
        # Of each: whether somebody else's work runs, or this one.
        self._silences = silences

    def submit(self, header: bytes, **_: object) -> deque[bytes | None]:
        request = json.loads(header)
        self.requests.append(request)
        self.model.clock.now += SECOND * len(self._silences)
        sent: list[bytes] = []
        timing.benchmark(request, lambda: self.model, sent.append, clock=self.model.clock)
        return deque([*[None] * len(self._silences), *sent, b""])

    def wait(self, ticket: deque[bytes | None], seconds: float) -> bytes | None:
        assert 0 < seconds < 10
        return ticket.popleft()

    def stands_in_line(self, ticket: deque[bytes | None]) -> bool:
        return self._silences[len(self._silences) - ticket.count(None) - 1] == "others"

    def abandon(self, ticket: deque[bytes | None]) -> None:
        self.abandoned += bool(ticket)

    def call(self, header: bytes, **_: object) -> bytes:
        request = json.loads(header)
        assert request["operation"] == "unload"
        self.unloaded += [artifact["sha256"] for artifact in request["artifacts"]]
        return b""

    def refresh(self, runtimes: Sequence[str]) -> None:
        self.refreshed.append(list(runtimes))


class Caller:
    """A caller that stays, or leaves."""

    def __init__(self, *, stays: bool = True) -> None:
        self._stays = stays

    def is_active(self) -> bool:
        return self._stays


def parts(worker: Worker, **fields: int) -> list[agent_pb2.BenchmarkResponse]:
    request = agent_pb2.BenchmarkRequest(**({"sha256": BLOB.sha256, "runs": 1, "batch_size": 1} | fields))  # type: ignore[arg-type]
    bench.check(request)
    supervisor, context = cast(Supervisor, worker), cast(grpc.ServicerContext, Caller())
    return list(bench.answers(request, BLOB, supervisor, context, clock=worker.model.clock))


def samples(responses: Sequence[agent_pb2.BenchmarkResponse]) -> list[int]:
    return [ns for response in responses for ns in response.samples.kernel_time_ns]


def kinds(responses: Iterator[agent_pb2.BenchmarkResponse] | Sequence[agent_pb2.BenchmarkResponse]) -> list[str]:
    return [str(response.WhichOneof("part")) for response in responses]


def test_as_many_runs_are_counted_as_were_asked_for() -> None:
    worker = Worker(Timed(Clock(), SECOND // 1000))
    assert samples(parts(worker, runs=37)) == [SECOND // 1000] * 37
    assert worker.model.runs == 37


def test_runs_go_on_until_their_time_is_over() -> None:
    worker = Worker(Timed(Clock(), SECOND // 100))
    assert len(samples(parts(worker, runs=10, duration_ns=5 * SECOND))) == 500


def test_runs_go_on_until_their_number_is_reached() -> None:
    worker = Worker(Timed(Clock(), SECOND // 100))
    assert len(samples(parts(worker, runs=800, duration_ns=5 * SECOND))) == 800


def test_the_warm_up_takes_its_number_and_its_time_and_is_not_counted() -> None:
    for fields, least in (({"warmup_runs": 30}, 30), ({"warmup_ns": SECOND // 5}, 20)):
        worker = Worker(Timed(Clock(), SECOND // 100))
        assert len(samples(parts(worker, runs=10, **fields))) == 10
        # One run more, because reading the board's state is a pause.
        assert worker.model.runs == least + 1 + 10


def test_no_run_takes_place_that_was_not_asked_for() -> None:
    worker = Worker(Timed(Clock(), SECOND // 100))
    parts(worker, runs=10)
    assert worker.model.runs == 10


def test_telemetry_stands_before_after_and_each_second_between() -> None:
    got = kinds(parts(Worker(Timed(Clock(), SECOND // 100)), runs=350))
    assert got == ["telemetry", *["samples", "telemetry"] * 4]


def test_the_boards_state_is_read_while_nothing_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(Timed(Clock(), SECOND // 100))
    log = worker.model.log

    asked = []

    def read(_: int, *, ask: bool) -> agent_pb2.Telemetry:
        log.append("read")
        asked.append(ask)
        return agent_pb2.Telemetry(time_unix_ns=1)

    monkeypatch.setattr(telemetry, "read", read)
    parts(worker, runs=250, warmup_runs=5)
    reads = [position for position, what in enumerate(log) if what == "read"]
    # Before five runs of warm-up, then between slices of a second, each of which opens with a run that nobody counts.
    assert len(reads) == 4
    assert reads == [0, 5 + 1 + 100 + 1, 5 + 1 + 100 + 1 + 1 + 100 + 1, len(log) - 1]
    # A process that asks Android's services would heat the core between two slices.
    assert asked == [True, False, False, True]


def test_long_runs_open_no_slice_with_an_uncounted_one() -> None:
    worker = Worker(Timed(Clock(), 2 * SECOND))
    assert len(samples(parts(worker, runs=3, warmup_runs=1))) == 3
    assert worker.model.runs == 4


def test_a_run_that_takes_longer_than_a_hosts_patience_breaks_nothing() -> None:
    """A host hears something every few seconds, whoever keeps it waiting."""
    worker = Worker(Timed(Clock(), 300 * SECOND), silences=["others", "others", "own", "own"])
    responses = parts(worker, runs=2, warmup_runs=1)
    assert samples(responses) == [300 * SECOND] * 2
    signs = ["waiting", "waiting", "samples", "samples"]
    assert kinds(responses) == [
        "telemetry", *signs, *signs, "samples", "telemetry", *signs, "samples", "telemetry",
    ]  # fmt: skip


def test_what_the_worker_sends_beside_samples_goes_no_further() -> None:
    """A model that has taken over the worker makes no telemetry."""
    worker = Worker(Timed(Clock(), 1))
    forged = agent_pb2.BenchmarkResponse(telemetry=agent_pb2.Telemetry(temperature_celsius=20.0)).SerializeToString()
    sample = agent_pb2.BenchmarkResponse(samples=agent_pb2.BenchmarkSamples(kernel_time_ns=[1])).SerializeToString()
    for replies, code in (([forged, sample, b""], None), ([forged, b""], "INTERNAL"), ([b"\xff\xff", b""], "INTERNAL")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(worker, "submit", lambda _, replies=replies, **__: deque(replies))
            if code is None:
                assert 20.0 not in [part.telemetry.temperature_celsius for part in parts(worker)]
            else:
                with pytest.raises(AgentError) as error:
                    parts(worker)
                assert error.value.code == code


def test_a_caller_that_leaves_in_the_middle_leaves_the_queue() -> None:
    worker = Worker(Timed(Clock(), SECOND // 100))
    request = agent_pb2.BenchmarkRequest(sha256=BLOB.sha256, runs=500, batch_size=1)
    context = cast(grpc.ServicerContext, Caller())
    answers = cast(
        Generator[agent_pb2.BenchmarkResponse, None, None],
        bench.answers(request, BLOB, cast(Supervisor, worker), context, clock=worker.model.clock),
    )
    assert kinds([next(answers), next(answers)]) == ["telemetry", "samples"]
    answers.close()
    assert worker.abandoned == 1
    assert worker.model.runs == 100


def test_runs_that_do_not_fit_into_an_hour_are_given_up_with_their_number() -> None:
    worker = Worker(Timed(Clock(), 1000 * SECOND))
    with pytest.raises(AgentError, match="only 4 of 100 runs took place within an hour") as error:
        parts(worker, runs=100)
    assert error.value.code == "FAILED_PRECONDITION"


def test_runs_without_any_time_end_at_the_bound() -> None:
    """A clock that stands still, as some emulators have it, must not make a duration endless."""
    worker = Worker(Timed(Clock(), 0))
    assert len(samples(parts(worker, runs=1, duration_ns=SECOND))) == 1_000_000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("runs", 0),
        ("runs", 1_000_001),
        ("warmup_runs", 2**32 - 1),
        ("batch_size", 0),
        ("batch_size", 1_000_000),
        ("cooldown_ns", -1),
        ("cooldown_ns", 3601 * SECOND),
        ("warmup_ns", -1),
        ("warmup_ns", 3601 * SECOND),
        ("duration_ns", -1),
        ("duration_ns", 2**62),
    ],
)
def test_what_is_no_measurement_is_refused(name: str, value: int) -> None:
    with pytest.raises(AgentError, match=f"{name} is {value}, outside") as error:
        parts(Worker(Timed(Clock(), 1)), **{name: value})
    assert error.value.code == "INVALID_ARGUMENT"


def test_input_that_no_message_could_carry_is_refused_before_it_is_made() -> None:
    for shape in ((1000,), (2**40, 2**40)):
        spec = InputSpec(("x",), np.dtype(np.float32), shape)
        with pytest.raises(AgentError, match="use a smaller batch") as error:
            parts(Worker(Timed(Clock(), 1, inputs=(spec,))), batch_size=60_000)
        assert error.value.code == "INVALID_ARGUMENT"


def test_a_cold_start_is_told_apart_from_the_runs() -> None:
    worker = Worker(Timed(Clock(), 1000, first_ns=9000))
    responses = parts(worker, runs=3, cold=1)
    assert worker.refreshed == [["litert"]]
    assert kinds(responses) == ["telemetry", "cold_start", "samples", "telemetry"]
    assert responses[1].cold_start == agent_pb2.ColdStart(load_ns=0, first_inference_ns=10_000)
    assert samples(responses) == [1000] * 3


def test_each_benchmark_loads_its_file_anew() -> None:
    """Where a model lies in memory makes it faster or slower; kept for all rounds, that would pass for a difference."""
    for cold in (0, 1):
        worker = Worker(Timed(Clock(), 1000))
        parts(worker, cold=cold)
        assert worker.unloaded == ([] if cold else [BLOB.sha256])


def test_loading_is_not_part_of_the_first_inference() -> None:
    model = Timed(Clock(), 1000)
    sent: list[bytes] = []

    def load() -> Timed:
        model.clock.now += 5_000
        return model

    timing.benchmark({"profile": 0, "cold": 1, "batch_size": 2}, load, sent.append, clock=model.clock)
    (part,) = map(agent_pb2.BenchmarkResponse.FromString, sent)
    assert part.cold_start == agent_pb2.ColdStart(load_ns=5_000, first_inference_ns=1_000)


def test_a_caller_that_left_ends_the_cooldown() -> None:
    request = agent_pb2.BenchmarkRequest(sha256=BLOB.sha256, runs=1, batch_size=1, cooldown_ns=3600 * SECOND)
    worker = cast(Supervisor, Worker(Timed(Clock(), 1)))
    with pytest.raises(AgentError, match="left during the cooldown"):
        next(bench.answers(request, BLOB, worker, cast(grpc.ServicerContext, Caller(stays=False))))


def test_the_peak_is_absent_where_the_kernel_does_not_reset_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for resets in (True, False):
        monkeypatch.setattr(telemetry, "reset_peak", lambda _, resets=resets: resets)
        first, *_, last = parts(Worker(Timed(Clock(), 1)))
        assert [r.telemetry.HasField("worker_peak_bytes") for r in (first, last)] == [resets] * 2


def test_a_kernel_without_clear_refs_is_no_error(tmp_path: Path) -> None:
    assert not telemetry.reset_peak(7, proc=tmp_path)
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "clear_refs").write_bytes(b"0")
    assert telemetry.reset_peak(7, proc=tmp_path)
    assert (folder / "clear_refs").read_bytes() == b"5"


def test_a_peak_that_was_reset_forgets_what_was_freed() -> None:
    held = np.ones(64 * 2**20, dtype=np.uint8)
    before = telemetry.read(os.getpid()).worker_peak_bytes
    held.resize(0, refcheck=False)
    assert telemetry.reset_peak(os.getpid())
    assert telemetry.read(os.getpid()).worker_peak_bytes < before - 32 * 2**20


def asked(agent: Agent, digest: str, **fields: int) -> list[agent_pb2.BenchmarkResponse]:
    request = agent_pb2.BenchmarkRequest(**({"sha256": digest, "runs": 1, "batch_size": 1} | fields))  # type: ignore[arg-type]
    return list(agent.stub.Benchmark(request, timeout=120))


def workers(agent: Agent) -> set[int]:
    return {child.pid for child in psutil.Process(agent.process.pid).children()}


@pytest.mark.parametrize("name", NETS)
def test_a_real_runtime_starts_cold_and_reports_its_peak(shared_agent: Agent, exported: Exported, name: str) -> None:
    digest = shared_agent.upload(exported.path(name))
    first, cold, *_, last = asked(shared_agent, digest, cold=1, runs=5, warmup_runs=2)
    assert cold.cold_start.load_ns > 0
    assert cold.cold_start.first_inference_ns > 0
    assert first.telemetry.HasField("worker_peak_bytes")
    assert last.telemetry.worker_peak_bytes >= last.telemetry.worker_resident_bytes // 2 > 0


def test_a_cold_start_is_not_the_warm_models_time(shared_agent: Agent, exported: Exported) -> None:
    """Load and first inference belong to a process that has never seen the file."""
    digest = shared_agent.upload(exported.path("net.onnx"))
    asked(shared_agent, digest, warmup_runs=5)
    before = workers(shared_agent)
    responses = asked(shared_agent, digest, cold=1, runs=50)
    assert workers(shared_agent) != before
    assert responses[1].cold_start.load_ns > np.median(samples(responses))


def test_a_real_benchmark_takes_its_time(shared_agent: Agent, exported: Exported) -> None:
    digest = shared_agent.upload(exported.path("net.tflite"))
    responses = asked(shared_agent, digest, duration_ns=SECOND * 3 // 2, warmup_ns=SECOND // 10)
    assert sum(samples(responses)) >= SECOND * 3 // 2
    assert kinds(responses).count("telemetry") >= 3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"threads": 4096}, "4096 threads"),
        ({"batch_size": 1_000_000}, "batch_size is 1000000"),
        ({"warmup_runs": 2**32 - 1}, "warmup_runs is 4294967295"),
    ],
)
def test_a_real_agent_refuses_impossible_benchmarks(
    shared_agent: Agent, exported: Exported, fields: dict[str, int], message: str
) -> None:
    digest = shared_agent.upload(exported.path("net.tflite"))
    with pytest.raises(grpc.RpcError) as error:
        asked(shared_agent, digest, **fields)
    assert status(error)[0] == "INVALID_ARGUMENT"
    assert message in status(error)[1]


def test_no_number_of_threads_means_one(shared_agent: Agent, exported: Exported) -> None:
    digest = shared_agent.upload(exported.path("net.tflite"))
    assert len(samples(asked(shared_agent, digest, threads=0, runs=7))) == 7


def test_a_real_run_that_takes_long_shows_signs_of_life(shared_agent: Agent, exported: Exported) -> None:
    digest = shared_agent.upload(exported.path("net.tflite"))
    request = agent_pb2.BenchmarkRequest(sha256=digest, runs=1, batch_size=1, duration_ns=2 * SECOND)
    call = shared_agent.stub.Benchmark(request, timeout=120)
    assert next(call).WhichOneof("part") == "telemetry"
    stopped = [psutil.Process(pid) for pid in workers(shared_agent)]
    for worker in stopped:
        worker.suspend()
    try:
        while (part := next(call)).samples.kernel_time_ns:
            pass
        assert part.WhichOneof("part") == "samples"
    finally:
        for worker in stopped:
            worker.resume()
    assert samples(list(call))
