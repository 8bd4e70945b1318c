"""What a transport gives the client: where the agent listens, whether it lives, and what to advise when it does not."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Connection"]


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

    def alive(self) -> bool:
        """Whether the agent can still answer; True where this side cannot tell."""
        ...

    def close(self) -> None:
        """End what the transport started; a second call does nothing."""
        ...
