"""An agent whose worker nothing confines: what attacks do there shows that they would work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from device_agent.supervisor import Supervisor
from tests.device_agent.exported import Caller, served

__all__ = ["uncaged_agent"]


@contextmanager
def uncaged_agent(folder: Path | None = None) -> Iterator[Caller]:
    """Serve from this process.

    Args:
        folder: of the store; None makes a private one.
    """
    with served(Supervisor(limit_seconds=60, cage=None), folder) as address:
        caller = Caller(address)
        with caller.channel:
            yield caller
