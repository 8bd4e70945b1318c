"""What a transport gives the client: where the agent listens, and what is known of the way there."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Connection"]


class Connection(Protocol):
    """One reachable agent, or one that is believed to be: the client asks it."""

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
        """Let the way go, and the agent where this side started it; a second call does nothing."""
        ...
