"""A stream of batches: a few messages ahead of the answers, and opened again from the last answer where it broke."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError

from harness.devices._answers import checked_answer
from harness.devices._failures import Failures, code_of
from harness.devices._patience import Patience
from harness.devices._requests import PackedBatch, header_message, message, packed
from harness.devices._stream import Sender, Watch
from harness.devices._types import BatchAnswer
from harness.errors import ProtocolError
from harness.types import Artifact, Records
from protos.edgeleak.v1 import agent_pb2
from protos.wire import DamagedError, opened

__all__ = ["Invocation"]

# Messages on their way at once: one being built here, one on the wire, one waiting at the agent, one in the kernel.
_WINDOW = 4
# Small batches share a message of about this size: the way of a message costs as much as the kernel of a small model.
_MESSAGE_BYTES = 64 * 1024
_MESSAGE_BATCHES_MAX = 16
# They do so while a message takes less than this inside the runtimes: beyond it the way is cheap, and progress counts.
_FAST_NS = 20_000_000
# An agent that runs something else first says so about every five seconds: this is more than a day of it.
_SIGNS_MAX = 20_000


@dataclass
class Invocation:
    """One stream from the caller's view; several calls where the connection broke in between.

    Args:
        open: begins a call with these messages.
        watch: over a call.
        reopen: makes sure that the agent answers and holds the artifacts, before the stream is opened again.
        failures: of the device.
        patience: for this stream.
        artifacts: that every batch is fed to.
        batches: number and records; read a few messages ahead of the answers.
        threads: of each interpreter.
    """

    open: Callable[[Iterator[bytes]], Any]
    watch: Callable[[grpc.Call], Watch]
    reopen: Callable[[Sequence[Artifact]], None]
    failures: Failures
    patience: Patience
    artifacts: Sequence[Artifact]
    batches: Iterable[tuple[int, Records]]
    threads: int

    def answers(self) -> Generator[BatchAnswer, None, None]:
        """One answer a batch, in order; what was answered is not asked again."""
        self._source = iter(self.batches)
        # Sent, and not answered.
        self._under_way: deque[list[PackedBatch]] = deque()
        self._group_size = 1
        while True:
            error: grpc.RpcError | DamagedError
            watch, call, sender = self._begin()
            try:
                with watch:
                    yield from self._exchange(watch, call, sender)
                return
            except (grpc.RpcError, DamagedError) as broken:
                error = broken
            finally:
                sender.end()
                call.cancel()
            self._recover(error, watch.verdict)

    def _begin(self) -> tuple[Watch, Any, Sender]:
        sender = Sender()
        sender.send(header_message(self.artifacts, threads=self.threads))
        for group in self._under_way:
            sender.send(message(group))
        call = self.open(iter(sender))
        return self.watch(call), call, sender

    def _exchange(self, watch: Watch, call: Any, sender: Sender) -> Generator[BatchAnswer, None, None]:
        while True:
            while len(self._under_way) < _WINDOW and (group := self._next_group()):
                self._under_way.append(group)
                sender.send(message(group))
            if not self._under_way:
                break
            response = self._response(watch, call)
            group = self._under_way[0]
            if response is None:
                self._break(f"the agent ended the stream before batch {group[0].number}")
            if len(response.batches) != len(group):
                self._break(f"{len(group)} batches were answered as {len(response.batches)}")
            answered = [self._checked(answer, batch) for answer, batch in zip(response.batches, group, strict=True)]
            self._under_way.popleft()
            self.patience.progress()
            self._adapt(answered)
            yield from answered
        sender.end()
        if self._response(watch, call) is not None:
            self._break("the agent answered a batch that was not sent")

    def _response(self, watch: Watch, call: Any) -> agent_pb2.InvokeResponse | None:
        """The next answer; signs of life of an agent that runs something else first are passed over."""
        signs = 0
        while signs < _SIGNS_MAX:
            message = watch.wait_for(call)
            if message is None:
                return None
            response = self._parsed(message)
            if not response.HasField("waiting"):
                return response
            signs += 1
        return self._break(f"more than {_SIGNS_MAX} signs of life came and no answer")

    def _parsed(self, message: bytes) -> agent_pb2.InvokeResponse:
        opened(message)
        try:
            return agent_pb2.InvokeResponse.FromString(message)
        except DecodeError:
            self._break("an answer of the agent is no message of the contract")

    def _next_group(self) -> list[PackedBatch]:
        group: list[PackedBatch] = []
        size = 0
        while len(group) < self._group_size and size < _MESSAGE_BYTES:
            batch = next(self._source, None)
            if batch is None:
                break
            group.append(packed(*batch, self.artifacts))
            size += group[-1].size
        return group

    def _adapt(self, answered: Sequence[BatchAnswer]) -> None:
        kernel_ns = sum(sum(answer.kernel_ns.values()) for answer in answered)
        grown = min(2 * self._group_size, _MESSAGE_BATCHES_MAX)
        self._group_size = grown if kernel_ns < _FAST_NS else max(1, self._group_size // 2)

    def _checked(self, answer: agent_pb2.BatchAnswer, batch: PackedBatch) -> BatchAnswer:
        return checked_answer(
            answer,
            number=batch.number,
            records=batch.records,
            artifacts=self.artifacts,
            device=self.failures.device,
        )

    def _break(self, message: str) -> NoReturn:
        raise ProtocolError(message, device=self.failures.device)

    def _recover(self, error: grpc.RpcError | DamagedError, verdict: str | None) -> None:
        """Return where the stream is to be opened again, from the last answer on.

        Raises:
            EdgeleakError: it is not.
        """
        doing = "a stream of batches"
        if isinstance(error, DamagedError):
            if not self.patience.pauses_after_break():
                raise self.failures.damaged(str(error), doing) from error
        elif verdict is not None or not self._pauses(error):
            raise self.failures.of_stream(error, verdict, doing) from error
        try:
            self.patience.call(lambda: self.reopen(self.artifacts))
        except grpc.RpcError as again:
            raise self.failures.of_stream(again, None, doing) from again

    def _pauses(self, error: grpc.RpcError) -> bool:
        if code_of(error) is grpc.StatusCode.DATA_LOSS:
            # A batch was damaged on its way, and not run.
            return self.patience.pauses_after_break()
        return self.patience.pauses(error)
