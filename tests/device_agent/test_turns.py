"""The queue to the worker: hosts take turns, two requests are at the worker, and a crash is the first one's alone."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from device_agent.blobs import Blob
from device_agent.errors import AgentError, WorkerDiedError
from device_agent.requests import prepare, request_header
from device_agent.supervisor import Supervisor, _refusal
from protos.edgeleak.v1 import agent_pb2
from protos.tensors import from_tensor
from tests.device_agent.exported import Exported, batch


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    one = Supervisor(limit_seconds=60)
    yield one
    one.close()


def blob(exported: Exported, name: str = "net.tflite") -> Blob:
    artifact = exported.artifact(name)
    return Blob(artifact.sha256, artifact.runtime, artifact.path, artifact.size_bytes)


def message(exported: Exported, number: int) -> bytes:
    return batch(number, {"args_0": exported.images[:2]}).SerializeToString()


def number_of(reply: bytes | None) -> int:
    assert reply is not None
    (answer,) = agent_pb2.InvokeResponse.FromString(reply).batches
    return answer.number


def test_answers_come_to_their_owners_whoever_reads(supervisor: Supervisor, exported: Exported) -> None:
    """A caller that does not fetch its answers holds up nobody."""
    header = request_header("load", [blob(exported)])
    tickets = [supervisor.submit(header, message(exported, n), what="x") for n in range(6)]
    assert number_of(supervisor.wait(tickets[5], 60)) == 5
    assert [number_of(supervisor.wait(ticket, 60)) for ticket in tickets[:5]] == [0, 1, 2, 3, 4]


def test_hosts_take_turns(supervisor: Supervisor, exported: Exported) -> None:
    """One host with a long line of batches of its own does not keep another one waiting behind all of them."""
    header = request_header("load", [blob(exported)])
    order: list[str] = []
    lock = threading.Lock()
    begin = threading.Barrier(3)

    def host(name: str) -> None:
        begin.wait()
        # Two under way, as a stream has.
        under_way = [supervisor.submit(header, message(exported, 0), what=name)]
        for number in range(1, 41):
            under_way.append(supervisor.submit(header, message(exported, number), what=name))
            while supervisor.wait(under_way[0], 60) is None:
                pass
            del under_way[0]
            with lock:
                order.append(name)
        supervisor.wait(under_way[0], 60)

    threads = [threading.Thread(target=host, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    # When the first of them is done, the others have had about as many turns; threads wake late on a busy machine.
    first_done = next(place for place in range(len(order)) if max(map(order[: place + 1].count, "abc")) == 40)
    assert min(map(order[: first_done + 1].count, "abc")) >= 20


def test_a_dead_worker_fails_the_first_request_and_the_next_one_is_answered(
    supervisor: Supervisor, exported: Exported
) -> None:
    header = request_header("load", [blob(exported)])
    supervisor.call(header, what="x")
    worker = supervisor.pid
    os.kill(worker, signal.SIGSTOP)
    tickets = [supervisor.submit(header, message(exported, n), what=f"host {n}") for n in range(3)]
    os.kill(worker, signal.SIGKILL)
    with pytest.raises(WorkerDiedError, match="while running host 0"):
        supervisor.wait(tickets[0], 60)
    assert [number_of(supervisor.wait(ticket, 60)) for ticket in tickets[1:]] == [1, 2]
    assert supervisor.pid != worker


def test_what_is_abandoned_in_line_never_runs(supervisor: Supervisor, exported: Exported) -> None:
    header = request_header("load", [blob(exported)])
    supervisor.call(header, what="x")
    os.kill(supervisor.pid, signal.SIGSTOP)
    tickets = [supervisor.submit(header, message(exported, n), what="x") for n in range(4)]
    supervisor.abandon(tickets[3])
    os.kill(supervisor.pid, signal.SIGCONT)
    assert [number_of(supervisor.wait(ticket, 60)) for ticket in tickets[:3]] == [0, 1, 2]
    with pytest.raises(AgentError, match="the caller left"):
        supervisor.wait(tickets[3], 60)


def test_the_same_answers_as_one_at_a_time(supervisor: Supervisor, exported: Exported) -> None:
    header = request_header("load", [blob(exported)])
    tickets = [supervisor.submit(header, message(exported, n), what="x") for n in range(20)]
    for ticket in tickets:
        (answer,) = agent_pb2.InvokeResponse.FromString(supervisor.wait(ticket, 60) or b"").batches
        values = from_tensor(answer.answers[0].outputs[0]).astype(np.float32)
        np.testing.assert_allclose(values, exported.logits[:2], atol=1e-5)


def test_a_spare_worker_has_the_runtimes_of_the_one_that_died(supervisor: Supervisor, exported: Exported) -> None:
    """torch takes seconds to import: whoever comes after a crash does not wait for it."""
    blobs = [blob(exported, "net.ptl")]
    supervisor.call(request_header("load", blobs), what="x")
    supervisor.expect(blobs)
    until = time.monotonic() + 120
    while supervisor.spare_pid is None:
        assert time.monotonic() < until
        time.sleep(0.1)
    spare = supervisor.spare_pid
    os.kill(supervisor.pid, signal.SIGKILL)
    os.waitid(os.P_PID, supervisor.pid, os.WEXITED | os.WNOWAIT)
    reply = supervisor.call(request_header("load", blobs), message(exported, 7), what="x")
    assert number_of(reply) == 7
    assert supervisor.pid == spare


def test_a_closed_supervisor_tells_who_waits(exported: Exported) -> None:
    one = Supervisor(limit_seconds=60)
    os.kill(one.pid, signal.SIGSTOP)
    ticket = one.submit(prepare([]), what="x")
    one.close()
    with pytest.raises(AgentError, match="the agent is stopping"):
        one.wait(ticket, 60)
    with pytest.raises(AgentError, match="the agent is stopping"):
        one.submit(b"{}", what="x")


@pytest.mark.parametrize(
    "reply",
    [b"", b"{", b"[]", b'{"error": "OK", "message": ""}', b'{"error": "INTERNAL", "message": 3}', b"\xff" * 100],
)
def test_a_worker_that_answers_nonsense_is_an_internal_error(reply: bytes) -> None:
    error = _refusal(reply)
    assert (error.code, error.message) == ("INTERNAL", "the worker answered what is no answer")


def test_a_workers_words_are_cut() -> None:
    error = _refusal(json.dumps({"error": "INVALID_ARGUMENT", "message": "x" * 1_000_000}).encode())
    assert error.code == "INVALID_ARGUMENT"
    assert len(error.message) == 2000
