"""The agent's side of its workers: requests in turn, two on their way at once, and a new worker where one died.

A request stands in one queue with everybody's. The first two are at the worker: it reads the second one's bytes while
it works on the first. Whoever waits for an answer reads for all: answers come in the queue's order and are handed to
their owners, so a host that does not fetch its answers holds up nobody.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from device_agent import requests
from device_agent.blobs import Blob
from device_agent.cage import Sandbox, available
from device_agent.errors import AgentError, WorkerDiedError
from device_agent.frames import OK
from device_agent.process import WorkerProcess
from device_agent.settings import CageSettings
from device_agent.spare import Spare

__all__ = ["BEAT_SECONDS", "Supervisor", "Ticket"]

# Requests at the worker at once: one that runs, one whose bytes arrive meanwhile.
_AT_WORKER = 2
# How often a wait looks up: whether the caller still listens, whether the time is over.
_SLICE_SECONDS = 0.5
# A host that waits for somebody else's work hears of it this often.
BEAT_SECONDS = 5.0
# A caller that went away leaves its batch this long to finish before the worker is taken for hung: most do finish,
# and a restart costs the next caller every loaded model.
_ABANDONED_SECONDS = 10.0
# What a worker may refuse with, and how long its reason may be.
_CODES = ("DATA_LOSS", "FAILED_PRECONDITION", "INTERNAL", "INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED")
_MESSAGE_MAX = 2000


@dataclass(eq=False)
class Ticket:
    """One request's place in the queue.

    Args:
        header: the request, JSON.
        payload: batches, protobuf; empty for every other operation.
        what: the artifacts, for messages.
        wanted: False once the caller has gone away.
        alone: nothing else is at the worker meanwhile, and several replies come up to an empty one.
    """

    header: bytes
    payload: bytes
    what: str
    wanted: Callable[[], bool]
    alone: bool = False
    sent: bool = False
    replies: deque[bytes] = field(default_factory=deque)
    error: AgentError | None = None
    ended: bool = False
    # When it became the first of the queue, and when its caller was first seen to be gone.
    started: float | None = None
    left: float | None = None


class Supervisor:
    """Owns the worker process, and a spare one.

    Args:
        limit_seconds: longest that one request may run before the worker is taken for hung and replaced.
        cage: how the workers are confined; None confines nothing.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        *,
        limit_seconds: float,
        cage: CageSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit_seconds = limit_seconds
        self._clock = clock
        self._turn = threading.Condition()
        self._queue: deque[Ticket] = deque()
        self._reading = False
        self._closed = False
        self._cage = cage
        self._spare = Spare(lambda: WorkerProcess(send_seconds=limit_seconds, cage=cage))
        self._worker = self._spare.take()

    @property
    def pid(self) -> int:
        """Process id of the present worker."""
        return self._worker.pid

    @property
    def spare_pid(self) -> int | None:
        """Process id of the spare worker; None while there is none."""
        return self._spare.pid

    def confined(self) -> Sandbox:
        """What confines the workers."""
        return Sandbox() if self._cage is None else available(self._cage.memory_bytes)

    def call(
        self, header: bytes, payload: bytes = b"", *, what: str, wanted: Callable[[], bool] = lambda: True
    ) -> bytes:
        """Send one request and wait for its one reply; arguments as in `submit`.

        Raises:
            AgentError: as `wait`.
        """
        ticket = self.submit(header, payload, what=what, wanted=wanted)
        while (reply := self.wait(ticket)) is None:
            pass
        return reply

    def submit(
        self,
        header: bytes,
        payload: bytes = b"",
        *,
        what: str,
        wanted: Callable[[], bool] = lambda: True,
        alone: bool = False,
    ) -> Ticket:
        """Put a request into the queue; `wait` for it, or `abandon` it.

        Args:
            header: the request, JSON.
            payload: batches, protobuf; empty for every other operation.
            what: the artifacts, for the message when the worker dies.
            wanted: False once the caller has gone away.
            alone: nothing else is at the worker meanwhile.

        Raises:
            AgentError: UNAVAILABLE while the agent stops.
        """
        ticket = Ticket(header, payload, what, wanted, alone)
        with self._turn:
            if self._closed:
                raise AgentError("UNAVAILABLE", "the agent is stopping")
            self._queue.append(ticket)
            self._advance()
        return ticket

    def wait(self, ticket: Ticket, seconds: float = _SLICE_SECONDS) -> bytes | None:
        """The next reply to a request; None where none came in time, and a later call goes on waiting.

        Raises:
            AgentError: the worker refused; INTERNAL where it died; DEADLINE_EXCEEDED where it hung; CANCELLED once the
                caller has gone away.
        """
        until = self._clock() + seconds
        while True:
            with self._turn:
                while not ticket.replies and not ticket.ended and self._reading:
                    if self._clock() >= until:
                        return None
                    if not ticket.wanted() and ticket is not self._queue[0]:
                        self._drop(ticket)
                        raise AgentError("CANCELLED", "the caller left while it waited for another one's batch")
                    self._turn.wait(_SLICE_SECONDS)
                if ticket.replies:
                    return ticket.replies.popleft()
                if ticket.error is not None:
                    raise ticket.error
                if ticket.ended:
                    raise AgentError("UNAVAILABLE", "the agent is stopping")
                self._reading = True
            try:
                self._read_one()
            finally:
                with self._turn:
                    self._reading = False
                    self._turn.notify_all()
            if not ticket.replies and not ticket.ended and self._clock() >= until:
                return None

    def stands_in_line(self, ticket: Ticket) -> bool:
        """Whether something else still runs before this request."""
        return ticket.started is None and not ticket.ended

    def abandon(self, ticket: Ticket) -> None:
        """Nobody waits for this request any more; where it is at the worker, its answer will be thrown away."""
        with self._turn:
            ticket.wanted = lambda: False
            if not ticket.ended:
                self._drop(ticket)

    def expect(self, blobs: Sequence[Blob]) -> None:
        """The runtimes of these artifacts are in use: a spare worker will have their libraries."""
        for blob in blobs:
            self._spare.expect(blob.runtime)

    def defer_spare_while(self, condition: Callable[[], bool]) -> None:
        """Start no spare worker while this holds."""
        self._spare.defer_while(condition)

    def refresh(self, runtimes: Sequence[str]) -> None:
        """Replace the worker, once it is idle, by one that has loaded nothing but these runtimes' libraries."""
        header = requests.prepare(runtimes)
        what = "the runtimes' libraries"
        turn = self.submit(header, what=what, alone=True)
        while self.wait(turn) is None:
            pass
        with self._turn:
            self._replace()
        self.call(header, what=what)

    def close(self) -> None:
        """End the workers; whoever waits is told."""
        with self._turn:
            self._closed = True
            for ticket in list(self._queue):
                self._finish(ticket, AgentError("UNAVAILABLE", "the agent is stopping"))
            self._worker.end()
        self._spare.close()

    # -- under the lock ----------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Send what may be at the worker now."""
        if self._queue and not self._queue[0].sent and not self._worker.runs():
            self._replace()
            return
        for position, ticket in enumerate(list(self._queue)[:_AT_WORKER]):
            if position and (ticket.alone or self._queue[0].alone):
                return
            if position == 0 and ticket.started is None:
                ticket.started = self._clock()
            if not ticket.sent:
                ticket.sent = True
                try:
                    self._worker.frames.send(ticket.header, ticket.payload)
                except TimeoutError:
                    head = self._queue[0]
                    message = f"{head.what}: the worker took no input for {self._limit_seconds:g} s"
                    self._fail(AgentError("DEADLINE_EXCEEDED", f"{message}; it has been restarted"))
                    return
                except OSError:
                    self._died()
                    return

    def _finish(self, ticket: Ticket, error: AgentError | None = None) -> None:
        ticket.ended, ticket.error, ticket.payload = True, error, b""
        if ticket in self._queue:
            self._queue.remove(ticket)
        self._turn.notify_all()

    def _drop(self, ticket: Ticket) -> None:
        """Take a request out of the queue that is not at the worker; what is there stays until it is answered."""
        if not ticket.sent:
            self._finish(ticket, AgentError("CANCELLED", "the caller left"))
            self._advance()

    def _fail(self, error: AgentError) -> None:
        """The first request ends with this error, the others go to a new worker."""
        if self._queue:
            self._finish(self._queue[0], error)
        self._replace()

    def _died(self) -> None:
        how, crashed = self._worker.death()
        what = self._queue[0].what if self._queue else "nothing"
        self._fail(
            WorkerDiedError(f"the worker died ({how}) while running {what}; it has been restarted", crashed=crashed)
        )

    def _replace(self) -> None:
        self._worker.end()
        if self._closed:
            return
        self._worker = self._spare.take()
        for ticket in self._queue:
            ticket.sent, ticket.started = False, None
        self._advance()

    # -- reading -----------------------------------------------------------------------------------------------------

    def _read_one(self) -> None:
        """Read for a slice of time, and hand a reply to the first of the queue."""
        worker = self._worker
        try:
            frame = worker.frames.receive(_SLICE_SECONDS)
        except (OSError, EOFError):
            with self._turn:
                if worker is self._worker and not self._closed:
                    self._died()
            return
        with self._turn:
            if worker is not self._worker:
                return
            if frame is not None and worker.unread:
                worker.unread -= 1
                return
            if not self._queue:
                return
            if frame is None:
                self._look_after(self._queue[0])
                return
            head = self._queue[0]
            reply, data = frame
            if reply != OK:
                self._finish(head, _refusal(reply))
            else:
                head.replies.append(bytes(data))
                if not (head.alone and data):
                    self._finish(head)
            self._advance()

    def _look_after(self, head: Ticket) -> None:
        """End the first request where it runs for too long, or for nobody."""
        now = self._clock()
        started = head.started if head.started is not None else now
        if not head.wanted() and head.left is None:
            head.left = now
        if head.left is not None and now - head.left > _ABANDONED_SECONDS:
            self._fail(AgentError("CANCELLED", f"the caller left while {head.what} was running"))
        elif now - started > self._limit_seconds:
            message = f"{head.what} did not answer within {self._limit_seconds:g} s; the worker has been restarted"
            self._fail(AgentError("DEADLINE_EXCEEDED", message))


def _refusal(reply: bytes) -> AgentError:
    """The worker's words; a model may have taken it over, so they are looked at."""
    try:
        refusal = json.loads(reply)
        code, message = refusal["error"], refusal["message"]
    except (ValueError, TypeError, KeyError):
        code, message = "", ""
    if code not in _CODES or not isinstance(message, str):
        return AgentError("INTERNAL", "the worker answered what is no answer")
    return AgentError(code, message[:_MESSAGE_MAX])
