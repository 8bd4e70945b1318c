"""What a transport gives the client: where the agent listens, whether it lives, and what to advise when it does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import grpc

__all__ = ["ChannelOptions", "Connection", "Refusal"]

ChannelOptions = Sequence[tuple[str, str | int]]


@dataclass(frozen=True)
class Refusal:
    """Why an agent that is there does not let this host in.

    Args:
        reason: what is wrong, to follow the agent's address.
        hint: what the user can do.
    """

    reason: str
    hint: str


class Connection(Protocol):
    """The way to one agent."""

    @property
    def target(self) -> str:
        """Where gRPC reaches it, ``host:port``."""
        ...

    @property
    def start_hint(self) -> str:
        """What the user can do where nothing answers there."""
        ...

    @property
    def resume_hint(self) -> str:
        """What the user can do once it stopped answering."""
        ...

    @property
    def purge_on_close(self) -> bool:
        """Whether to remove what was deployed; pointless where the agent ends with the connection."""
        ...

    def channel(self, options: ChannelOptions) -> grpc.Channel:
        """A channel to it, of gRPC's options and with the credentials that it asks for."""
        ...

    def refusal(self, error: grpc.RpcError) -> Refusal | None:
        """Why the agent refused the first call; None where nothing says that it did, and nobody may be there."""
        ...

    def alive(self) -> bool:
        """Whether the agent can still answer; True where this side cannot tell."""
        ...

    def restore(self) -> None:
        """Make the way to the agent anew where it broke, before a call is made again; nothing where it did not.

        ``target`` stays what it is. What cannot be made is no error here: the call finds out, and `resume_hint` says
        why.
        """
        ...

    def close(self) -> None:
        """End what the transport started; a second call does nothing."""
        ...
