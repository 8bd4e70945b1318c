"""An agent whose worker nothing confines: what attacks do there shows that they would work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from device_agent.blobs import BlobStore
from device_agent.server import start
from device_agent.supervisor import Supervisor
from tests.device_agent.exported import Caller

__all__ = ["uncaged_agent"]


@contextmanager
def uncaged_agent(folder: Path | None = None) -> Iterator[Caller]:
    """Serve from this process.

    Args:
        folder: of the store; None makes a private one.
    """
    supervisor = Supervisor(limit_seconds=60, cage=None)
    store = BlobStore(folder, max_bytes=1 << 30)
    server, port = start(store, supervisor, address="127.0.0.1:0")
    caller = Caller(f"127.0.0.1:{port}")
    try:
        yield caller
    finally:
        caller.channel.close()
        server.stop(0).wait()
        supervisor.close()
        store.close()
