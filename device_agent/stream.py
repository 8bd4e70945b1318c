"""A stream of batches: two at the worker, answers in order, and a sign of life while something else runs first."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator

from device_agent.errors import AgentError
from device_agent.incoming import Incoming
from device_agent.lease import Leases
from device_agent.supervisor import BEAT_SECONDS, Supervisor, Ticket
from protos.edgeleak.v1 import agent_pb2
from protos.wire import sealed

__all__ = ["InvokeStream", "waiting"]

# Messages of one stream at the worker: one that runs, one whose bytes arrive meanwhile. Streams take turns.
_UNDER_WAY = 2
# How often a pause looks whether it is over.
_SLICE_SECONDS = 0.2


class InvokeStream:
    """The batches of one call.

    Args:
        worker: runs them.
        leases: while somebody else holds the device, the stream pauses.
        lease_id: of the caller; empty where it has none.
        wanted: False once the caller has gone away.
    """

    def __init__(self, worker: Supervisor, leases: Leases, *, lease_id: str, wanted: Callable[[], bool]) -> None:
        self._worker = worker
        self._leases = leases
        self._lease_id = lease_id
        self._wanted = wanted

    def answers(self, header: bytes, what: str, incoming: Incoming, *, idle_seconds: float) -> Iterator[bytes]:
        """One serialised `InvokeResponse` a message, and signs of life between them.

        Args:
            header: of the worker's requests.
            what: the artifacts, for messages.
            incoming: the caller's messages.
            idle_seconds: longest that none may come.

        Raises:
            AgentError: the worker refused, died or hung; UNAVAILABLE where no message comes.
        """
        # Loading first: its time and its errors are not the first batch's.
        loading = self._worker.submit(header, what=what, wanted=self._wanted)
        yield from self._signs_until_answered(loading)
        under_way: deque[tuple[Ticket, int]] = deque()
        try:
            while True:
                while len(under_way) < _UNDER_WAY and not incoming.ended and (not under_way or incoming.ready()):
                    request = self._next(incoming, idle_seconds)
                    if request is None:
                        break
                    yield from self._pause()
                    ticket = self._worker.submit(header, request, what=what, wanted=self._wanted)
                    under_way.append((ticket, len(request)))
                if not under_way:
                    return
                ticket, size = under_way[0]
                reply = yield from self._signs_until_answered(ticket)
                under_way.popleft()
                yield reply
                incoming.done_with(size)
        finally:
            for ticket, _ in under_way:
                self._worker.abandon(ticket)

    def _next(self, incoming: Incoming, seconds: float) -> bytes | None:
        request = incoming.get(seconds)
        if request == b"":
            raise AgentError("INVALID_ARGUMENT", "after the header come batches")
        if request is None and not incoming.ended:
            raise AgentError("UNAVAILABLE", f"no batch came for {seconds:g} s; open the stream again")
        return request

    def _signs_until_answered(self, ticket: Ticket) -> Generator[bytes, None, bytes]:
        try:
            while (reply := self._worker.wait(ticket, BEAT_SECONDS)) is None:
                # Only while others run: about the caller's own batch it learns nothing that it could rely on.
                if self._worker.stands_in_line(ticket):
                    yield waiting(self._leases, self._lease_id)
        except GeneratorExit:
            self._worker.abandon(ticket)
            raise
        return reply

    def _pause(self) -> Iterator[bytes]:
        """Signs of life for as long as somebody else holds the device."""
        said = None
        while self._leases.held_against(self._lease_id) is not None:
            if not self._wanted():
                raise AgentError("CANCELLED", "the caller left while somebody else held the device")
            now = time.monotonic()
            if said is None or now - said >= BEAT_SECONDS:
                said = now
                yield waiting(self._leases, self._lease_id)
            time.sleep(_SLICE_SECONDS)


def waiting(leases: Leases, lease_id: str) -> bytes:
    """What a host hears that waits, serialised."""
    held = leases.held_against(lease_id)
    holder, seconds = held or ("", 0.0)
    message = agent_pb2.InvokeResponse(waiting=agent_pb2.Waiting(holder=holder, remaining_ns=int(seconds * 1e9)))
    return sealed([message.SerializeToString()])
