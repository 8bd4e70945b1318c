"""What tests of streams share: batches, and a connection that reports each look of the watch over a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import grpc

from harness.devices import Timeouts
from harness.devices.transports import Connection
from harness.devices.transports._connection import ChannelOptions, Refusal
from harness.types import Records

# The start of a Python process that imports gRPC, on a machine that does other things.
START = Timeouts(connect=60.0)


def batches(records: Records, sizes: list[int]) -> Iterator[tuple[int, Records]]:
    """The records in numbered batches of these sizes."""
    start = 0
    for number, size in enumerate(sizes):
        yield number, records.take(slice(start, start + size))
        start += size


def endless(records: Records) -> Iterator[tuple[int, Records]]:
    """All records as a batch, again and again."""
    number = 0
    while True:
        yield number, records
        number += 1


@dataclass
class Looked:
    """Another connection, whose watch calls ``on_look`` at each look."""

    connection: Connection
    on_look: Callable[[], object]

    def __post_init__(self) -> None:
        self.target = self.connection.target
        self.start_hint = self.connection.start_hint
        self.resume_hint = self.connection.resume_hint
        self.purge_on_close = self.connection.purge_on_close

    def channel(self, options: ChannelOptions) -> grpc.Channel:
        return self.connection.channel(options)

    def refusal(self, error: grpc.RpcError) -> Refusal | None:
        return self.connection.refusal(error)

    def alive(self) -> bool:
        self.on_look()
        return self.connection.alive()

    def restore(self) -> None:
        self.connection.restore()

    def close(self) -> None:
        self.connection.close()
